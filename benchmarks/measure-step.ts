/** @file Times one way of computing a LoRA step, in a process of its own so that its peak memory is its own. */

import { lora, loraConfigSchema } from "../src/adapters/lora.ts";
import { initializeParameters, zerosLike } from "../src/adapters/parameters.ts";
import type { Batch } from "../src/data/batch.ts";
import { createEngine } from "../src/engine/engine.ts";
import { measureProductRate } from "../src/engine/product-rate.ts";
import { countParameters } from "../src/models/modules.ts";
import { openModel } from "../src/models/open-model.ts";
import { openDevice } from "../src/runtime/onnx-runtime.ts";
import { createMoments, updateAdamW } from "../src/training/adamw.ts";
import { estimateStep } from "../src/training/estimate.ts";
import { randomModel } from "./random-model.ts";
import type { StepCase, StepMeasurement } from "./step-cases.ts";

const warmups = 2;

async function measure(each: StepCase): Promise<StepMeasurement> {
  const { shape, storage, rows, length, recompute, weightsOnDisk = false, steps = 4 } = each;
  const folder = await randomModel(shape);
  const loading = performance.now();
  const { config, weights } = await openModel(folder, { storage, weightsOnDisk });
  const loadSeconds = (performance.now() - loading) / 1000;
  const device = openDevice("cpu");
  const adaptation = lora(loraConfigSchema.parse({ r: 16, lora_alpha: 32 }), config);
  const segmentSize = recompute ? 1 : config.numHiddenLayers;
  const engine = createEngine(device, config, weights, adaptation, { segmentSize });
  const parameters = initializeParameters(config, adaptation, weights, 0);
  const gradients = zerosLike(parameters);
  const moments = createMoments(parameters);
  const batch = createBatch(rows, length);
  const seconds: number[] = [];
  const rates: number[] = [];
  let firstLoss = 0;
  let peakRssBytes = 0;
  // The first step compiles, and the second still grows the engine's memory.
  for (let step = 1; step <= warmups + steps; step++) {
    const started = performance.now();
    for (const { data } of gradients.values()) data.fill(0);
    const loss = await engine.accumulate(batch, parameters, gradients, { scale: 1 / batch.labels.length });
    updateAdamW(parameters, gradients, moments, step, () => 1e-4, {
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay: 0,
    });
    if (step === 1) firstLoss = loss / batch.labels.length;
    if (step <= warmups) continue;
    seconds.push((performance.now() - started) / 1000);
    peakRssBytes = Math.max(peakRssBytes, process.resourceUsage().maxRSS * 1024);
  }
  // Only now, so that the products' own memory is not counted.
  for (let i = 0; i < 3; i++) rates.push(await measureProductRate(device));
  await engine.release();
  const median = seconds.sort((a, b) => a - b)[Math.floor(seconds.length / 2)]!;
  return {
    tokensPerSecond: (rows * length) / median,
    peakRssBytes,
    firstLoss,
    loadSeconds,
    productFlops: Math.max(...rates),
    flopsPerToken: countParameters(config) * (recompute ? 6 : 4),
    estimatedBytes: estimateStep(
      { config, storage, tableDtype: storage === "nf4" ? "float16" : "float32", weightsOnDisk },
      adaptation,
      { rows, length, labels: batch.labels.length },
      segmentSize,
    ).peakBytes,
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

process.stdout.write(`${JSON.stringify(await measure(JSON.parse(process.argv[2]!)))}\n`);
