/** @file A LoRA step of a case, ready to be run again and again. */

import type { Adaptation } from "../src/core/adapters/adaptation.ts";
import { lora, loraConfigSchema } from "../src/core/adapters/lora.ts";
import { initializeParameters, zerosLike } from "../src/core/adapters/parameters.ts";
import type { ModelConfig } from "../src/core/architectures/architecture.ts";
import type { Batch } from "../src/core/data/batch.ts";
import { createEngine, sumLosses } from "../src/core/engine/engine.ts";
import type { Device } from "../src/core/runtime/device.ts";
import { createMoments, updateAdamW } from "../src/core/training/adamw.ts";
import { openModel } from "../src/node/models/open-model.ts";
import { randomModel } from "./random-model.ts";
import type { StepCase } from "./step-cases.ts";

export interface LoraStep {
  readonly config: ModelConfig;
  readonly adaptation: Adaptation;
  /** Blocks per program. */
  readonly segmentSize: number;
  readonly labels: number;
  readonly loadSeconds: number;
  /** Forward, backward and AdamW. @returns the mean loss in nats */
  run(): Promise<number>;
  release(): Promise<void>;
}

export async function createStep(
  { shape, storage, rows, length, recompute, weightsOnDisk = false }: StepCase,
  device: Device,
): Promise<LoraStep> {
  const folder = await randomModel(shape);
  const started = performance.now();
  const { config, weights } = await openModel(folder, { storage, weightsOnDisk });
  const loadSeconds = (performance.now() - started) / 1000;
  const adaptation = lora(loraConfigSchema.parse({ r: 16, lora_alpha: 32 }), config);
  const segmentSize = recompute ? 1 : config.numHiddenLayers;
  const engine = createEngine(device, config, weights, adaptation, { segmentSize });
  const parameters = await initializeParameters(config, adaptation, weights, 0);
  const gradients = zerosLike(parameters);
  const moments = createMoments(parameters);
  const batch = createBatch(rows, length);
  const labels = batch.labels.length;
  let step = 0;
  return {
    config,
    adaptation,
    segmentSize,
    labels,
    loadSeconds,
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
function createBatch(rows: number, length: number): Batch {
  const size = rows * length;
  const inputIds = Int32Array.from({ length: size }, (_, i) => (i * 7919) % 30_011);
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
