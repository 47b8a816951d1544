/** @file The program of the engine's process: loads the model, then answers messages until it is told to end. */

import process from "node:process";
import { loadAdapter } from "../core/adapters/adapted-model.ts";
import { createGenerator } from "../core/decoding/batch-generator.ts";
import { printWarnings } from "../core/warnings.ts";
import { openModel } from "../node/models/open-model.ts";
import type { EngineOptions } from "./engine-process.ts";
import { type FromEngine, hostGenerator, type Port, type ToEngine, toFailure } from "./remote-generator.ts";

const port: Port<FromEngine, ToEngine> = {
  send: (message) => void process.send?.(message),
  listen: (listener) => void process.on("message", listener),
};

printWarnings();
// A terminal's Ctrl-C reaches this process too, but the server decides when it ends; without the server it is of no use.
process.on("SIGINT", () => {}).on("SIGTERM", () => {});
process.on("disconnect", () => process.exit());

const { model: name, adapters, storage, ...options } = JSON.parse(process.argv[2]!) as EngineOptions;
try {
  const model = await openModel(name, storage === undefined ? {} : { storage });
  const loaded = Object.entries(adapters).map(([id, folder]) => [id, loadAdapter(model, folder).adapter!]);
  const generator = createGenerator(model, { ...options, adapters: Object.fromEntries(loaded) });
  hostGenerator(port, generator, async () => {
    await generator.close();
    process.disconnect();
  });
  port.send({ type: "ready" });
} catch (error) {
  port.send({ type: "failed", ...toFailure(error) });
  process.disconnect();
}
