/** @file Whether memory stays as it is over a thousand steps on a WebGPU device, whose buffers are the process's on the software one. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, expect, test } from "vitest";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { lora, loraConfigSchema } from "../adapters/lora.ts";
import { initializeParameters } from "../adapters/parameters.ts";
import { createEngine } from "../engine/engine.ts";
import { loadWeights } from "../models/load-weights.ts";
import { sft } from "../objectives/sft.ts";
import { findDevice, whyNoDevice } from "../runtime/webgpu-device.fixture.ts";
import { createMoments } from "./adamw.ts";
import { openDeviceOptimizer } from "./device-optimizer.ts";
import { initialProgress, runTrainingLoop } from "./loop.ts";

const found = await findDevice();
afterAll(() => found?.release());
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

test.each([1, 2])("segments of %i blocks: 1,000 steps in the memory of 100", async (segmentSize) => {
  if (!found) throw new Error(whyNoDevice);
  const checkpoint = await openCheckpoint("fixtures/reference/models/llama");
  const { config } = checkpoint;
  const weights = await loadWeights(checkpoint);
  const adaptation = lora(loraConfigSchema.parse({ r: 32, target_modules: ["q_proj", "v_proj"] }), config);
  const parameters = await initializeParameters(config, adaptation, weights, 0);
  const engine = createEngine(openDevice("webgpu", { threads: 1 }), config, weights, adaptation, {
    segmentSize,
  });
  const ids = Int32Array.from({ length: 16 }, (_, i) => i);
  const example = { texts: [{ ids, trained: new Uint8Array(16).fill(1) }] };
  const resident: number[] = [];
  await runTrainingLoop(
    engine,
    {
      totalSteps: 1000,
      stepsPerEpoch: 1,
      objective: sft,
      examplesOf: () => [example],
      heldOut: [],
      batching: { microBatchTokens: 64, packing: false },
      evalSteps: 1000,
      saveSteps: 1000,
      earlyStoppingPatience: undefined,
      optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
      learningRate: 1e-3,
      scheduler: "constant",
      warmupSteps: 0,
      maxGradNorm: 1,
      openOptimizer: openDeviceOptimizer,
      seed: 0,
    },
    { parameters, moments: createMoments(parameters), progress: initialProgress },
    {
      onStep({ step }) {
        if (step % 100 !== 0) return;
        collectGarbage();
        resident.push(process.memoryUsage().rss);
      },
      onEvaluation: () => {},
      save: async () => {},
    },
  );
  await engine.release();
  console.log(resident.map((bytes) => `${(bytes / 1e6).toFixed(1)} MB`).join(", "));
  expect(resident.at(-1)! / resident[0]!).toBeLessThan(1.02);
});
