/** @file Times one way of computing a LoRA step, in a process of its own so that its peak memory is its own. */

import { lora, loraConfigSchema } from "../src/adapters/lora.ts";
import { initializeParameters, zerosLike } from "../src/adapters/parameters.ts";
import type { Batch } from "../src/data/batch.ts";
import { createEngine } from "../src/engine/engine.ts";
import { measureProductRate } from "../src/engine/product-rate.ts";
import { countParameters } from "../src/models/modules.ts";
import { openDevice } from "../src/runtime/onnx-runtime.ts";
import { createMoments, updateAdamW } from "../src/training/adamw.ts";
import { estimateStep } from "../src/training/estimate.ts";
import { configOf, createRandomWeights, type ShapeName } from "./random-model.ts";

/** One way of computing a step. */
export interface StepCase {
  readonly shape: ShapeName;
  readonly storage: "float32" | "nf4";
  readonly segmentSize: number | "all";
  readonly length: number;
}

export interface StepMeasurement {
  /** Of forward, backward and optimizer, the compilation left out. */
  readonly tokensPerSecond: number;
  /** Of a float32 product of 512 x 2048 by 2048 x 2048 in the same process. */
  readonly productFlops: number;
  /** Tokens/s that the product's rate would give at 4 operations per parameter and token, or 6 with recomputation. */
  readonly boundTokensPerSecond: number;
  /** Highest resident memory of a process that does nothing but these steps. */
  readonly peakRssBytes: number;
  /** What `slimtune estimate` says beforehand. */
  readonly estimatedBytes: number;
}

const steps = 4;

async function measure({ shape, storage, segmentSize, length }: StepCase): Promise<StepMeasurement> {
  const config = configOf(shape);
  const device = openDevice("cpu");
  const weights = createRandomWeights(config, storage);
  const adaptation = lora(loraConfigSchema.parse({ r: 16, lora_alpha: 32 }), config);
  const whole = segmentSize === "all";
  const engineSegment = whole ? config.numHiddenLayers : segmentSize;
  const engine = createEngine(device, config, weights, adaptation, { segmentSize: engineSegment });
  const parameters = initializeParameters(config, adaptation, weights, 0);
  const gradients = zerosLike(parameters);
  const moments = createMoments(parameters);
  const batch = createBatch(length, config.vocabSize);
  const seconds: number[] = [];
  const rates: number[] = [];
  let peakRssBytes = 0;
  // The first step compiles, and the second still grows the engine's memory.
  for (let step = 1; step <= steps + 2; step++) {
    const started = performance.now();
    for (const { data } of gradients.values()) data.fill(0);
    await engine.accumulate(batch, parameters, gradients, { scale: 1 / batch.labels.length });
    updateAdamW(parameters, gradients, moments, step, () => 1e-4, {
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay: 0,
    });
    if (step <= 2) continue;
    seconds.push((performance.now() - started) / 1000);
    // Between the steps, so that both meet the same minute of the machine; the products' own memory is not counted.
    peakRssBytes ||= process.resourceUsage().maxRSS * 1024;
    rates.push(await measureProductRate(device));
  }
  await engine.release();
  const productFlops = rates.sort((a, b) => a - b)[Math.floor(rates.length / 2)]!;
  const median = seconds.sort((a, b) => a - b)[Math.floor(seconds.length / 2)]!;
  return {
    tokensPerSecond: length / median,
    productFlops,
    boundTokensPerSecond: productFlops / (countParameters(config) * (whole ? 4 : 6)),
    peakRssBytes,
    estimatedBytes: estimateStep(
      { config, storage, tableDtype: storage === "nf4" ? "float16" : "float32" },
      adaptation,
      { rows: 1, length, labels: batch.labels.length },
      engineSegment,
    ).peakBytes,
  };
}

/** One row whose every token is labelled but the last. */
function createBatch(length: number, vocabSize: number): Batch {
  const inputIds = Int32Array.from({ length }, (_, i) => (i * 7919) % vocabSize);
  return {
    rows: 1,
    length,
    inputIds,
    positionIds: Int32Array.from({ length }, (_, i) => i),
    segmentIds: new Int32Array(length).fill(1),
    labelPositions: Int32Array.from({ length: length - 1 }, (_, i) => i),
    labels: inputIds.slice(1),
  };
}

process.stdout.write(`${JSON.stringify(await measure(JSON.parse(process.argv[2]!)))}\n`);
