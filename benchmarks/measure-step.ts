/** @file Times one way of computing a LoRA step, in a process of its own so that its peak memory is its own. */

import { measureProductRate } from "../src/engine/product-rate.ts";
import { countParameters } from "../src/models/modules.ts";
import { openDevice } from "../src/runtime/onnx-runtime.ts";
import { estimateStep } from "../src/training/estimate.ts";
import { createStep } from "./lora-step.ts";
import { median } from "./measuring.ts";
import type { StepCase, StepMeasurement } from "./step-cases.ts";

async function measure(each: StepCase): Promise<StepMeasurement> {
  const { storage, rows, length, recompute, weightsOnDisk = false, steps = 4 } = each;
  const device = openDevice("cpu");
  const step = await createStep(each, device);
  // The first step compiles, and the second still grows the engine's memory.
  const firstLoss = await step.run();
  await step.run();
  const seconds: number[] = [];
  for (let i = 0; i < steps; i++) {
    const started = performance.now();
    await step.run();
    seconds.push((performance.now() - started) / 1000);
  }
  const peakRssBytes = process.resourceUsage().maxRSS * 1024;
  await step.release();
  // Only now, so that the products' own memory is not counted.
  const rates: number[] = [];
  for (let i = 0; i < 3; i++) rates.push(await measureProductRate(device));
  return {
    tokensPerSecond: (rows * length) / median(seconds),
    peakRssBytes,
    firstLoss,
    loadSeconds: step.loadSeconds,
    productFlops: Math.max(...rates),
    flopsPerToken: countParameters(step.config) * (recompute ? 6 : 4),
    estimatedBytes: estimateStep(
      { config: step.config, storage, tableDtype: storage === "nf4" ? "float16" : "float32", weightsOnDisk },
      step.adaptation,
      { rows, length, labels: step.labels },
      step.segmentSize,
    ).peakBytes,
  };
}

console.log(JSON.stringify(await measure(JSON.parse(process.argv[2]!))));
