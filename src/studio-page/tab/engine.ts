/** @file The worker that computes, with the model that it has open. */

import { signal } from "@preact/signals";
import { InputError } from "../../core/errors.ts";
import type { Storage } from "../../core/models/linear.ts";
import type { WebDeviceName } from "../../web/device.ts";
import { connectWorker, type TuningWorker } from "../../web/worker-client.ts";
import { type ModelChoice, sourceOf } from "./model-choice.ts";
import script from "./worker.ts?worker&url";

export interface EngineSettings {
  readonly model: ModelChoice;
  readonly device: WebDeviceName;
  readonly storage: Storage;
}

/** What the worker is busy with, for the page to say; empty if with nothing. */
export const busy = signal("");

interface Engine {
  readonly settings: EngineSettings;
  readonly worker: Worker;
  readonly opened: Promise<TuningWorker>;
  /** Never fulfilled: the worker's script cannot be loaded, or the worker has ended. */
  readonly failed: Promise<never>;
}
let engine: Engine | undefined;

/** Has `act` done by a worker that has this model open; one that has another is ended, and its memory is free. */
export async function withEngine<T>(
  settings: EngineSettings,
  task: string,
  act: (worker: TuningWorker) => Promise<T>,
): Promise<T> {
  if (engine && !isSame(engine.settings, settings)) endEngine();
  engine ??= start(settings);
  const { opened, failed } = engine;
  try {
    busy.value = "The model is being opened…";
    const worker = await Promise.race([opened, failed]);
    busy.value = task;
    return await Promise.race([act(worker), failed]);
  } catch (error) {
    // A worker whose device is lost, or whose memory is full, stays so.
    endEngine();
    throw error;
  } finally {
    busy.value = "";
  }
}

/** Ends the worker, and what it computes. */
export function endEngine(): void {
  engine?.worker.terminate();
  engine = undefined;
}

const isSame = (a: EngineSettings, b: EngineSettings) =>
  a.model === b.model && a.device === b.device && a.storage === b.storage;

function start(settings: EngineSettings): Engine {
  const source = sourceOf(settings.model);
  // The page's content security policy holds for a worker of a Blob, and for none that has an address.
  const code = `import ${JSON.stringify(new URL(script, document.baseURI).href)};`;
  const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const worker = new Worker(address, { type: "module" });
  const failed = new Promise<never>((_, reject) => {
    worker.addEventListener("error", ({ message }) =>
      reject(
        new InputError(
          `The page's worker ended (${message || "its script or onnxruntime-web/ could not be loaded"}); load the page again.`,
        ),
      ),
    );
  });
  failed.catch(() => {});
  const tuning = connectWorker(worker);
  const { device, storage } = settings;
  const opened = tuning.open(source, { device, storage }).then(() => tuning);
  opened.catch(() => {});
  return { settings, worker, opened, failed };
}
