/** @file A LoRA step of a model, in Node or in a browser. */

import type { Adaptation } from "../src/core/adapters/adaptation.ts";
import { lora, loraConfigSchema } from "../src/core/adapters/lora.ts";
import { initializeParameters } from "../src/core/adapters/parameters.ts";
import type { ModelConfig } from "../src/core/architectures/architecture.ts";
import type { Batch } from "../src/core/data/batch.ts";
import { createEngine, sumLosses } from "../src/core/engine/engine.ts";
import type { Model } from "../src/core/models/model.ts";
import type { Device } from "../src/core/runtime/device.ts";
import { createMoments } from "../src/core/training/adamw.ts";
import { openDeviceOptimizer } from "../src/core/training/device-optimizer.ts";
import { createArrayOptimizer } from "../src/core/training/optimizer.ts";
import type { StepCase } from "./step-cases.ts";

export interface LoraStep {
  readonly config: ModelConfig;
  readonly adaptation: Adaptation;
  /** Blocks per program. */
  readonly segmentSize: number;
  readonly labels: number;
  /** Forward, backward and AdamW. @returns the mean loss in nats */
  run(): Promise<number>;
  release(): Promise<void>;
}

export async function prepareStep(
  { config, weights }: Pick<Model, "config" | "weights">,
  device: Device,
  { rows, length, recompute, inputBits }: Pick<StepCase, "rows" | "length" | "recompute" | "inputBits">,
): Promise<LoraStep> {
  const adaptation = lora(loraConfigSchema.parse({ r: 16, lora_alpha: 32 }), config);
  const segmentSize = recompute ? 1 : config.numHiddenLayers;
  const options = { segmentSize, ...(inputBits && { inputBits }) };
  const engine = createEngine(device, config, weights, adaptation, options);
  const parameters = await initializeParameters(config, adaptation, weights, 0);
  const tensors = { parameters, moments: createMoments(parameters) };
  const optimizer = device.operations
    ? await openDeviceOptimizer(device, tensors, () => 1)
    : createArrayOptimizer(tensors);
  const batch = createBatch(rows, length, config.vocabSize);
  const labels = batch.labels.length;
  let step = 0;
  return {
    config,
    adaptation,
    segmentSize,
    labels,
    async run() {
      optimizer.clear();
      const { logProbabilities } = await engine.accumulate(batch, optimizer.parameters, optimizer.gradients, {
        weights: 1 / labels,
      });
      await optimizer.update(await optimizer.gradientNorm(), {
        step: ++step,
        learningRateOf: () => 1e-4,
        maxGradNorm: 1,
        config: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
      });
      return sumLosses(logProbabilities) / labels;
    },
    async release() {
      await optimizer.release?.();
      await engine.release();
    },
  };
}

/** Rows whose every token is labelled but the first, as language models are trained on plain text. */
function createBatch(rows: number, length: number, vocabSize: number): Batch {
  const size = rows * length;
  const inputIds = Int32Array.from({ length: size }, (_, i) => (i * 7919) % Math.min(30_011, vocabSize));
  const labelPositions = Int32Array.from(inputIds.keys()).filter((i) => i % length < length - 1);
  return {
    rows,
    length,
    inputIds,
    positionIds: Int32Array.from({ length: size }, (_, i) => i % length),
    segmentIds: new Int32Array(size).fill(1),
    labelPositions,
    labels: labelPositions.map((position) => inputIds[position + 1]!),
  };
}
