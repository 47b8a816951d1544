/** @file Tuning and writing in a worker, so that the page stays responsive: messages between the two, and both ends of the line. */

import * as z from "zod";
import { generate } from "../core/decoding/generate.ts";
import { type Failure, toError, toFailure } from "../core/failure.ts";
import { storages } from "../core/models/linear.ts";
import type { Model } from "../core/models/model.ts";
import { parseFields } from "../core/parse-fields.ts";
import type { Device } from "../core/runtime/device.ts";
import type { EvaluationMetrics, StepMetrics } from "../core/training/loop.ts";
import { blobFolder } from "./byte-sources.ts";
import { openWebDevice, type WebDeviceName, webDeviceNames } from "./device.ts";
import type { ExampleRow } from "./examples.ts";
import { openWebModel } from "./open-model.ts";
import { resumeTuning, type TuneEvents, type TuneResult, tune } from "./tune.ts";
import type { TuneOptions } from "./tune-options.ts";
import type { TuningState } from "./tuning-state.ts";

const writingOptions = z.strictObject({
  maxNewTokens: z.int().min(1).optional(),
  temperature: z.number().min(0).optional(),
  seed: z.int().optional(),
  stop: z.array(z.string()).optional(),
  chat: z.boolean().optional(),
});

/** What the page asks for; a worker does one thing after the other. */
const requestSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("open"),
    id: z.int(),
    /** The address of a folder, or its files. */
    model: z.union([z.string().min(1), z.array(z.instanceof(File)).min(1)]),
    device: z.enum(webDeviceNames),
    storage: z.enum(storages),
  }),
  z.strictObject({
    type: z.literal("tune"),
    id: z.int(),
    rows: z.array(z.record(z.string(), z.unknown())),
    options: z.looseObject({}),
    state: z.looseObject({}).optional(),
  }),
  z.strictObject({
    type: z.literal("write"),
    id: z.int(),
    prompt: z.string(),
    /** Whether by the model as tuned last. */
    isTuned: z.boolean(),
    options: writingOptions,
  }),
  z.strictObject({ type: z.literal("stop"), id: z.int() }),
]);
type Request = z.output<typeof requestSchema>;

interface Results {
  readonly open: undefined;
  readonly tune: Omit<TuneResult, "model">;
  readonly write: string;
  readonly stop: undefined;
}

/** What the worker tells of the request `id`. */
type Reply = { readonly id: number } & (
  | {
      readonly type: "plan";
      readonly value: { readonly totalSteps: number; readonly trainableParameters: number };
    }
  | { readonly type: "step"; readonly value: StepMetrics }
  | { readonly type: "evaluation"; readonly value: EvaluationMetrics }
  | { readonly type: "state"; readonly value: TuningState }
  | { readonly type: "text"; readonly value: string }
  | { readonly type: "done"; readonly value: unknown }
  | ({ readonly type: "failed" } & Failure)
);

/** A worker as the page sees it, or the page as the worker does: what of `Worker` and of a worker's `self` is used. */
export interface MessageLine {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

/**
 * Answers the requests of {@link connectWorker}; all of a worker's script.
 *
 * @param line Default: the worker's own
 *
 * @example
 * hostWorker();
 */
export function hostWorker(line: MessageLine = globalThis as unknown as MessageLine): void {
  const reply = (message: Reply) => line.postMessage(message);
  let opened: { device: Device; base: Model; tuned?: Model } | undefined;
  let stopping: AbortController | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function answer(request: Exclude<Request, { type: "stop" }>): Promise<unknown> {
    const { id } = request;
    if (request.type === "open") {
      const { model, device, storage } = request;
      const source = typeof model === "string" ? model : blobFolder(model, "the chosen files");
      const base = await openWebModel(source, { storage });
      opened = { device: openWebDevice(device), base };
      return undefined;
    }
    if (!opened) throw new Error("No model is open in this worker.");
    const { device, base } = opened;
    if (request.type === "write") {
      const { tuned = base } = request.isTuned ? opened : {};
      const onText = (value: string) => reply({ id, type: "text", value });
      return generate(device, tuned, request.prompt, { ...(request.options as object), onText });
    }
    stopping = new AbortController();
    const events: TuneEvents = {
      onPlan: (value) => reply({ id, type: "plan", value }),
      onStep: (value) => reply({ id, type: "step", value }),
      onEvaluation: (value) => reply({ id, type: "evaluation", value }),
      onState: (value) => reply({ id, type: "state", value }),
      signal: stopping.signal,
    };
    const { rows, options, state } = request;
    const result = state
      ? await resumeTuning(device, base, rows, state as unknown as TuningState, events)
      : await tune(device, base, rows, options as TuneOptions, events);
    opened = { device, base, tuned: result.model };
    const { outcome, progress, files } = result;
    return { outcome, progress, files };
  }

  line.addEventListener("message", ({ data }) => {
    const id = (data as { id?: unknown } | null)?.id;
    // A page's other messages are none of ours.
    if (typeof id !== "number") return;
    const done = (value: unknown) => reply({ id, type: "done", value });
    const failed = (error: unknown) => reply({ id, type: "failed", ...toFailure(error) });
    try {
      const request = parseFields(requestSchema, data, "The message to the worker");
      if (request.type === "stop") stopping?.abort();
      else last = last.then(() => answer(request)).then(done, failed);
    } catch (error) {
      failed(error);
    }
  });
}

export interface TuningWorker {
  /**
   * Opens a model for what follows.
   *
   * @param model the address of its folder, or its files
   * @throws InputError as {@link openWebModel}
   */
  open(
    model: string | readonly File[],
    options: { readonly device: WebDeviceName; readonly storage?: Model["weights"]["storage"] },
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
    options?: z.input<typeof writingOptions> & {
      readonly isTuned?: boolean;
      readonly onText?: (text: string) => void;
    },
  ): Promise<string>;
}

/**
 * The page's end of the line to a worker whose script calls {@link hostWorker}. Ending the worker ends all work.
 *
 * @example
 * const worker = connectWorker(new Worker(new URL("./worker.js", import.meta.url), { type: "module" }));
 * await worker.open("https://example.org/SmolLM2-135M-Instruct", { device: "webgpu", storage: "nf4" });
 * const { files } = await worker.tune([{ text: "Once there was a cat." }], { method: "qlora" });
 */
export function connectWorker(line: MessageLine): TuningWorker {
  interface Waiting {
    readonly events: TuneEvents & { readonly onText?: ((text: string) => void) | undefined };
    resolve(value: unknown): void;
    reject(error: Error): void;
  }
  const waiting = new Map<number, Waiting>();
  let ids = 0;
  const ask = <Type extends Request["type"]>(
    type: Type,
    content: object,
    events: Waiting["events"] = {},
  ): Promise<Results[Type]> =>
    new Promise((resolve, reject) => {
      const id = ids++;
      waiting.set(id, { events, resolve: resolve as (value: unknown) => void, reject });
      line.postMessage({ type, id, ...content });
    });

  line.addEventListener("message", ({ data }) => {
    const message = data as Reply;
    const request = waiting.get(message.id);
    if (!request) return;
    const { events, resolve, reject } = request;
    if (message.type === "plan") events.onPlan?.(message.value);
    else if (message.type === "step") events.onStep?.(message.value);
    else if (message.type === "evaluation") events.onEvaluation?.(message.value);
    else if (message.type === "state") events.onState?.(message.value);
    else if (message.type === "text") events.onText?.(message.value);
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
