/** @file The program of the engine's process: loads the model, then answers messages until it is told to end. */

import process from "node:process";
import type { Adapter } from "../core/adapters/adapted-model.ts";
import { InputError } from "../core/errors.ts";
import { toFailure } from "../core/failure.ts";
import type { Model } from "../core/models/model.ts";
import { loadAdapter } from "../node/adapters/load-adapter.ts";
import { chooseArithmetic } from "../node/decoding/arithmetic.ts";
import { createGenerator } from "../node/decoding/generate.ts";
import { openModel } from "../node/models/open-model.ts";
import { printWarnings } from "../node/print-warnings.ts";
import { checkDevice, openDevice } from "../node/runtime/onnx-runtime.ts";
import type { EngineOptions } from "./engine-process.ts";
import { type FromEngine, hostGenerator, type Port, type ToEngine } from "./remote-generator.ts";

const port: Port<FromEngine, ToEngine> = {
  send: (message) => void process.send?.(message),
  listen: (listener) => void process.on("message", listener),
};

/** An adapter that computes with the base model's own vocabulary, which all that are served share. */
async function loadShared(model: Model, folder: string): Promise<Adapter> {
  const { adapter, tokenizerFiles, config } = await loadAdapter(model, folder);
  if (!tokenizerFiles && config.vocabSize === model.config.vocabSize) return adapter!;
  throw new InputError(
    `The adapter ${folder} adds tokens to the model, whose vocabulary all that are served share; merge it, and serve the merged model.`,
  );
}

printWarnings();
// A terminal's Ctrl-C reaches this process too, but the server decides when it ends; without the server it is of no use.
process.on("SIGINT", () => {}).on("SIGTERM", () => {});
process.on("disconnect", () => process.exit());

const {
  model: name,
  adapters,
  storage: kept,
  arithmetic,
  device: deviceName = "cpu",
  ...options
} = JSON.parse(process.argv[2]!) as EngineOptions;
try {
  const device = await checkDevice(openDevice(deviceName));
  const { storage, ...choice } = await chooseArithmetic(device, {
    ...(kept && { storage: kept }),
    ...(arithmetic && { arithmetic }),
  });
  const model = await openModel(name, { storage });
  const loaded: [id: string, adapter: Adapter][] = [];
  for (const [id, folder] of Object.entries(adapters)) loaded.push([id, await loadShared(model, folder)]);
  const generator = createGenerator(model, {
    ...options,
    ...choice,
    device,
    adapters: Object.fromEntries(loaded),
  });
  hostGenerator(port, generator, async () => {
    await generator.close();
    process.disconnect();
  });
  port.send({ type: "ready" });
} catch (error) {
  port.send({ type: "failed", ...toFailure(error) });
  process.disconnect();
}
