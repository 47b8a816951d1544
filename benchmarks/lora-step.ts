/** @file A LoRA step of a case, ready to be run again and again. */

import type { Device } from "../src/core/runtime/device.ts";
import { openModel } from "../src/node/models/open-model.ts";
import { type LoraStep, prepareStep } from "./prepare-step.ts";
import { randomModel } from "./random-model.ts";
import type { StepCase } from "./step-cases.ts";

export type { LoraStep } from "./prepare-step.ts";

export async function createStep(
  { shape, storage, weightsOnDisk = false, ...how }: StepCase,
  device: Device,
): Promise<LoraStep & { readonly loadSeconds: number }> {
  const folder = await randomModel(shape);
  const started = performance.now();
  const model = await openModel(folder, { storage, weightsOnDisk });
  const loadSeconds = (performance.now() - started) / 1000;
  return { ...(await prepareStep(model, device, how)), loadSeconds };
}
