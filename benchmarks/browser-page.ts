/** @file What a page computes that is measured. */

import { env } from "onnxruntime-web/webgpu";
import type { Storage } from "../src/core/models/linear.ts";
import { openWebDevice, type WebDeviceName } from "../src/web/device.ts";
import { openWebModel } from "../src/web/open-model.ts";
import { type LoraStep, prepareStep } from "./prepare-step.ts";

let step: LoraStep | undefined;

export async function prepare(
  address: string,
  device: WebDeviceName,
  threads: number,
  storage: Storage,
  length: number,
): Promise<void> {
  env.wasm.numThreads = threads;
  const model = await openWebModel(address, { storage });
  step = await prepareStep(model, openWebDevice(device), { rows: 1, length, recompute: true });
}

/** @returns the seconds of a step, and its loss */
export async function run(): Promise<{ seconds: number; loss: number }> {
  const started = performance.now();
  const loss = await step!.run();
  return { seconds: (performance.now() - started) / 1000, loss };
}
