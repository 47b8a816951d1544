/** @file A LoRA step of a model, in Node or in a browser. */

import type { Adaptation } from "../src/core/adapters/adaptation.ts";
import { lora, loraConfigSchema } from "../src/core/adapters/lora.ts";
import { initializeParameters, zerosLike } from "../src/core/adapters/parameters.ts";
import type { ModelConfig } from "../src/core/architectures/architecture.ts";
import type { Batch } from "../src/core/data/batch.ts";
import { createEngine, sumLosses } from "../src/core/engine/engine.ts";
import type { Model } from "../src/core/models/model.ts";
import type { Device } from "../src/core/runtime/device.ts";
import { createMoments, updateAdamW } from "../src/core/training/adamw.ts";

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
  {
    rows,
    length,
    recompute,
  }: { readonly rows: number; readonly length: number; readonly recompute: boolean },
): Promise<LoraStep> {
  const adaptation = lora(loraConfigSchema.parse({ r: 16, lora_alpha: 32 }), config);
  const segmentSize = recompute ? 1 : config.numHiddenLayers;
  const engine = createEngine(device, config, weights, adaptation, { segmentSize });
  const parameters = await initializeParameters(config, adaptation, weights, 0);
  const gradients = zerosLike(parameters);
  const moments = createMoments(parameters);
  const batch = createBatch(rows, length, config.vocabSize);
  const labels = batch.labels.length;
  let step = 0;
  return {
    config,
    adaptation,
    segmentSize,
    labels,
    async run() {
      for (const { data } of gradients.values()) data.fill(0);
      const { logProbabilities } = await engine.accumulate(batch, parameters, gradients, {
        weights: 1 / labels,
      });
      const loss = sumLosses(logProbabilities);
      updateAdamW(parameters, gradients, moments, ++step, () => 1e-4, {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weightDecay: 0,
      });
      return loss / labels;
    },
    release: () => engine.release(),
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
