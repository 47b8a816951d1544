/** @file A LoRA step of ours as a program of step-process.ts: its one argument is the case. */

import { createInterface } from "node:readline";
import { countParameters } from "../src/core/architectures/modules.ts";
import { estimateStep } from "../src/core/training/estimate.ts";
import { openDevice } from "../src/node/runtime/onnx-runtime.ts";
import { createStep } from "./lora-step.ts";
import type { OurPreparedStep, StepCase } from "./step-cases.ts";

const each = JSON.parse(process.argv[2]!) as StepCase;
const { storage, inputBits, rows, length, recompute, weightsOnDisk = false, device = "cpu" } = each;
const print = (value: unknown) => console.log(JSON.stringify(value));

const step = await createStep(each, openDevice(device));
// The first step compiles, and the second still grows the engine's memory.
const firstLoss = await step.run();
await step.run();
const { peakBytes } = estimateStep(
  {
    config: step.config,
    storage,
    tableDtype: storage === "float32" ? "float32" : "float16",
    weightsOnDisk,
    ...(inputBits && { inputBits }),
  },
  step.adaptation,
  { rows, length, labels: step.labels },
  step.segmentSize,
);
const prepared: OurPreparedStep = {
  loadSeconds: step.loadSeconds,
  firstLoss,
  flopsPerToken: countParameters(step.config) * (recompute ? 6 : 4),
  estimatedBytes: peakBytes,
};
print(prepared);
for await (const _line of createInterface({ input: process.stdin })) {
  const started = performance.now();
  await step.run();
  print((performance.now() - started) / 1000);
}
print(process.resourceUsage().maxRSS * 1024);
await step.release();
