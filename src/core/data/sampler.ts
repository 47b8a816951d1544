/** @file Which examples a step sees: functions of the seed and the step alone, so that any step can be repeated. */

import { createRandom } from "../random.ts";

/** Names of the random streams drawn here. */
const splitStream = 1;
const epochStream = 2;

/** The numbers below `count` in random order. */
function permute(count: number, seed: number, ...stream: readonly number[]): number[] {
  const random = createRandom(seed, ...stream);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/**
 * Holds examples out for evaluation.
 *
 * @param heldOut share of the examples, if below 1, or their number
 * @returns indices of both parts, each in the order of the file
 */
export function splitExamples(
  count: number,
  heldOut: number,
  seed: number,
): { training: number[]; heldOut: number[] } {
  const size = Math.min(count, heldOut < 1 ? Math.round(count * heldOut) : Math.floor(heldOut));
  const chosen = new Set(permute(count, seed, splitStream).slice(0, size));
  const indices = Array.from({ length: count }, (_, i) => i);
  return { training: indices.filter((i) => !chosen.has(i)), heldOut: indices.filter((i) => chosen.has(i)) };
}

export interface Sampler {
  readonly stepsPerEpoch: number;
  /** Indices of the examples of a step, counted from 0. The last step of an epoch may have fewer. */
  examplesOf(step: number): number[];
}

/** Goes through all examples in each epoch, in an order of its own, `batchSize` at a time. */
export function createSampler(count: number, batchSize: number, seed: number): Sampler {
  const stepsPerEpoch = Math.ceil(count / batchSize);
  let order: { readonly epoch: number; readonly indices: number[] } | undefined;
  return {
    stepsPerEpoch,
    examplesOf(step) {
      const epoch = Math.floor(step / stepsPerEpoch);
      if (order?.epoch !== epoch) order = { epoch, indices: permute(count, seed, epochStream, epoch) };
      const start = (step % stepsPerEpoch) * batchSize;
      return order.indices.slice(start, start + batchSize);
    },
  };
}
