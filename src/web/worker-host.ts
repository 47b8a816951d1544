/** @file The worker's end of the line to a page: it tunes and writes, so that the page stays responsive. */

import * as z from "zod";
import { generate } from "../core/decoding/generate.ts";
import { toError, toFailure } from "../core/failure.ts";
import type { ByteSource, SourceFolder } from "../core/formats/byte-source.ts";
import { storages } from "../core/models/linear.ts";
import type { Model } from "../core/models/model.ts";
import { parseFields } from "../core/parse-fields.ts";
import type { Device } from "../core/runtime/device.ts";
import { blobFolder, blobSource } from "./byte-sources.ts";
import { openWebDevice, webDeviceNames } from "./device.ts";
import { openWebModel } from "./open-model.ts";
import { resumeTuning, type TuneEvents, tune } from "./tune.ts";
import type { TuneOptions } from "./tune-options.ts";
import type { TuningState } from "./tuning-state.ts";
import type { MessageLine, Reply } from "./worker-messages.ts";

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
    /** The address of a folder or of a GGUF file, or the files. */
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
  /** The page has kept the state that it was given last, or could not. */
  z.strictObject({
    type: z.literal("kept"),
    id: z.int(),
    failure: z.strictObject({ message: z.string(), input: z.boolean() }).optional(),
  }),
]);
type Request = z.output<typeof requestSchema>;

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
  let keeping: { resolve(): void; reject(error: Error): void } | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function answer(request: Exclude<Request, { type: "stop" | "kept" }>): Promise<unknown> {
    const { id } = request;
    if (request.type === "open") {
      const { model, device, storage } = request;
      const base = await openWebModel(typeof model === "string" ? model : sourceOf(model), { storage });
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
      onState: (value) =>
        new Promise<void>((resolve, reject) => {
          keeping = { resolve, reject };
          reply({ id, type: "state", value });
        }),
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
      else if (request.type === "kept")
        request.failure ? keeping?.reject(toError(request.failure)) : keeping?.resolve();
      else last = last.then(() => answer(request)).then(done, failed);
    } catch (error) {
      failed(error);
    }
  });
}

function sourceOf(files: readonly File[]): SourceFolder | ByteSource {
  const [file] = files as [File];
  return files.length === 1 && file.name.endsWith(".gguf")
    ? blobSource(file, file.name)
    : blobFolder(files, "the chosen files");
}
