/** @file The server's optimizer steps over its part of a split model. */

import { trainedOf } from "../../core/adapters/parameters.ts";
import {
  type AdamWConfig,
  clipGradients,
  createMoments,
  gradientNorm,
  updateAdamW,
} from "../../core/training/adamw.ts";
import type { TrainedTensors } from "./split-learning.ts";

export interface ServerOptimizer {
  /**
   * One step over the gradients that were added since the last, which are then zero again.
   *
   * @param step counted from 1
   * @returns the norm of the server's gradients before clipping
   */
  update(step: number, learningRateOf: (name: string) => number): number;
}

/**
 * AdamW with moments of its own. Either side clips the gradients of its own tensors, where a model in one piece clips those of all together:
 * nothing else of a step depends on the other side's.
 */
export function createServerOptimizer(
  { parameters, gradients }: TrainedTensors,
  config: AdamWConfig & { readonly maxGradNorm: number },
): ServerOptimizer {
  const trained = trainedOf(parameters);
  const moments = createMoments(trained);
  return {
    update(step, learningRateOf) {
      const norm = gradientNorm(gradients);
      clipGradients(gradients, norm, config.maxGradNorm);
      updateAdamW(trained, gradients, moments, step, learningRateOf, config);
      for (const { data } of gradients.values()) data.fill(0);
      return norm;
    },
  };
}
