/** @file The gradient score: whether a step on the tuning data would also lower the loss on the benchmark. */

import { lora, loraConfigSchema } from "../core/adapters/lora.ts";
import { initializeParameters, zerosLike } from "../core/adapters/parameters.ts";
import { buildMicroBatches, type TokenizedExample } from "../core/data/batch.ts";
import { createEngine } from "../core/engine/engine.ts";
import { concatenate } from "../core/models/matrix-rows.ts";
import type { Model } from "../core/models/model.ts";
import type { Device } from "../core/runtime/device.ts";
import { addDirection, createDirections, type Directions } from "./mean-cosine.ts";

/** Steps that a set's examples are divided into. */
const stepCount = 8;
/** Tokens of an example, at most. */
const exampleTokens = 512;
/** Tokens of all examples of a set, at most, for the time that they take: so many, and 32 an example if these are more. */
const setTokens = 2048;
const tokensPerExample = 32;

export interface Gradients {
  /**
   * The directions of the gradients of a few steps over the examples, to be compared by `meanCosine`. Long examples are
   * cut to 512 tokens, and as many are taken as have 2,048 together, or 32 times as many as there are examples.
   */
  directionsOf(
    examples: readonly TokenizedExample[],
    onStep?: (done: number, steps: number) => void,
  ): Promise<Directions>;
  release(): Promise<void>;
}

/**
 * Computes the gradients of a LoRA adapter at the start of a run: to first order, a step on one example lowers the loss
 * of another by the product of their gradients (Pruthi et al. 2020, TracIn), and among steps of the same length by their
 * cosine (Xia et al. 2024, LESS, which takes LoRA's gradients, too). The examples of a set are divided into up to 8 steps,
 * as a run would take them, each with the mean loss of its labels.
 *
 * At the start B is 0, so the gradient of A is 0 and that of B is s dW Aᵀ: the gradient of the full weights along as many
 * random directions as the adapter has ranks. Unlike LESS's, it is that of plain descent and not of Adam, and of the base
 * model only: it says how tuning begins, not how it ends.
 *
 * @param seed of the random directions
 */
export async function createGradients(device: Device, model: Model, seed: number): Promise<Gradients> {
  const { config, weights } = model;
  const adaptation = lora(loraConfigSchema.parse({}), config);
  const parameters = await initializeParameters(config, adaptation, weights, seed);
  const engine = createEngine(device, config, weights, adaptation, { segmentSize: 1 });
  const trained = [...parameters.keys()].filter((name) => name.endsWith("lora_B.weight"));
  const size = trained.reduce((sum, name) => sum + parameters.get(name)!.data.length, 0);

  const gradientOf = async (examples: readonly TokenizedExample[]): Promise<Float32Array> => {
    const batches = buildMicroBatches(examples, { microBatchTokens: exampleTokens, packing: true });
    const labels = batches.reduce((sum, batch) => sum + batch.labels.length, 0);
    const gradients = zerosLike(parameters);
    for (const batch of batches)
      await engine.accumulate(batch, parameters, gradients, { weights: 1 / labels });
    return concatenate(trained.map((name) => gradients.get(name)!.data));
  };

  return {
    async directionsOf(examples, onStep) {
      const tokens = Math.max(setTokens, tokensPerExample * examples.length);
      const taken = takeWithin(examples.filter(hasLabel).map(cutExample), tokens);
      const steps = Math.min(stepCount, taken.length);
      const directions = createDirections(size);
      for (let step = 0; step < steps; step++) {
        addDirection(directions, await gradientOf(taken.filter((_, i) => i % steps === step)));
        onStep?.(step + 1, steps);
      }
      return directions;
    },
    release: () => engine.release(),
  };
}

function hasLabel({ trained }: TokenizedExample): boolean {
  return trained.includes(1, 1);
}

/** At most `exampleTokens` tokens: of a long prompt the end, of a long completion the beginning. */
function cutExample({ ids, trained }: TokenizedExample): TokenizedExample {
  const beforeFirstLabel = trained.indexOf(1, 1) - 1;
  const start = Math.max(0, Math.min(ids.length - exampleTokens, beforeFirstLabel));
  const end = start + exampleTokens;
  return { ids: ids.subarray(start, end), trained: trained.subarray(start, end) };
}

/** The first examples that have no more than `tokens` tokens together. */
function takeWithin(examples: readonly TokenizedExample[], tokens: number): TokenizedExample[] {
  let total = 0;
  const beyond = examples.findIndex(({ ids }) => {
    total += ids.length;
    return total > tokens;
  });
  return examples.slice(0, beyond < 0 ? undefined : beyond);
}
