/** @file The page's end of the line to a worker that tunes and writes for it. */

import { type Failure, toError, toFailure } from "../core/failure.ts";
import type { Storage } from "../core/models/linear.ts";
import type { WebDeviceName } from "./device.ts";
import type { ExampleRow } from "./examples.ts";
import type { TuneEvents, TuneResult } from "./tune.ts";
import type { TuneOptions } from "./tune-options.ts";
import type { TuningState } from "./tuning-state.ts";
import type { MessageLine, Reply, Requests, WritingOptions } from "./worker-messages.ts";

export interface TuningWorker {
  /**
   * Opens a model for what follows.
   *
   * @param model the address of its folder or GGUF file, or the files
   * @throws InputError as {@link openWebModel}
   */
  open(
    model: string | readonly File[],
    options: { readonly device: WebDeviceName; readonly storage?: Storage },
  ): Promise<void>;
  /** {@link tune} in the worker or, with a state, {@link resumeTuning}, whose options are the state's. */
  tune(
    rows: readonly ExampleRow[],
    options: TuneOptions,
    events?: TuneEvents & { readonly state?: TuningState | undefined },
  ): Promise<Omit<TuneResult, "model">>;
  /** Writes by the model as tuned last, or as it was. */
  write(
    prompt: string,
    options?: WritingOptions & {
      readonly isTuned?: boolean;
      readonly onText?: (text: string) => void;
    },
  ): Promise<string>;
}

/**
 * The page's end of the line to a worker whose script calls {@link hostWorker}. Ending the worker ends all work.
 *
 * @param line the worker: `new Worker(new URL("./worker.js", import.meta.url), { type: "module" })`
 *
 * @example
 * const tuneIn = async (line: Parameters<typeof connectWorker>[0]) => {
 *   const worker = connectWorker(line);
 *   await worker.open("https://example.org/SmolLM2-135M-Instruct", { device: "webgpu", storage: "nf4" });
 *   return worker.tune([{ text: "Once there was a cat." }], { method: "qlora" });
 * };
 */
export function connectWorker(line: MessageLine): TuningWorker {
  interface Waiting {
    readonly events: TuneEvents & { readonly onText?: ((text: string) => void) | undefined };
    resolve(value: unknown): void;
    reject(error: Error): void;
  }
  const waiting = new Map<number, Waiting>();
  let ids = 0;
  const ask = <Type extends keyof Requests>(
    type: Type,
    given: Requests[Type]["given"],
    events: Waiting["events"] = {},
  ): Promise<Requests[Type]["result"]> =>
    new Promise((resolve, reject) => {
      const id = ids++;
      waiting.set(id, { events, resolve: resolve as (value: unknown) => void, reject });
      line.postMessage({ type, id, ...given });
    });

  line.addEventListener("message", ({ data }) => {
    const message = data as Reply;
    const request = waiting.get(message.id);
    if (!request) return;
    const { events, resolve, reject } = request;
    if (message.type === "plan") events.onPlan?.(message.value);
    else if (message.type === "step") events.onStep?.(message.value);
    else if (message.type === "evaluation") events.onEvaluation?.(message.value);
    else if (message.type === "state") {
      const tell = (failure?: Failure) =>
        line.postMessage({ type: "kept", id: message.id, ...(failure && { failure }) });
      void Promise.resolve(message.value)
        .then(events.onState)
        .then(
          () => tell(),
          (error) => tell(toFailure(error)),
        );
    } else if (message.type === "text") events.onText?.(message.value);
    else {
      waiting.delete(message.id);
      if (message.type === "done") resolve(message.value);
      else reject(toError(message));
    }
  });

  return {
    open: (model, { device, storage = "float32" }) => ask("open", { model, device, storage }),
    async tune(rows, options, { state, signal, ...events } = {}) {
      const stop = () => line.postMessage({ type: "stop", id: -1 });
      signal?.addEventListener("abort", stop);
      try {
        return await ask("tune", { rows, options, ...(state && { state }) }, events);
      } finally {
        signal?.removeEventListener("abort", stop);
      }
    },
    write: (prompt, { isTuned = false, onText, ...options } = {}) =>
      ask("write", { prompt, isTuned, options }, { onText }),
  };
}
