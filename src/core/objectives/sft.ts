/** @file Supervised tuning: the mean negative log-likelihood of the labelled tokens. */

import type { Objective } from "./objective.ts";

/**
 * Cross-entropy: the sum of the labelled tokens' negative log-likelihoods, each times the weight of its example, over the number
 * of labelled tokens.
 *
 * @example
 * const { loss } = sft.evaluate([
 *   { texts: [{ logProbabilities: Float64Array.of(-1, -2), reference: new Float64Array(0) }], weight: 1 },
 * ]);
 */
export const sft: Objective = {
  name: "sft",
  learnsFrom: "texts",
  usesReference: false,
  isLinear: true,
  evaluate(examples) {
    const labels = examples.reduce((sum, { texts }) => sum + texts[0]!.logProbabilities.length, 0);
    let loss = 0;
    const coefficients = examples.map(({ texts, weight }) => {
      const { logProbabilities } = texts[0]!;
      for (const logProbability of logProbabilities) loss -= (weight * logProbability) / labels;
      return [new Float64Array(logProbabilities.length).fill(-weight / labels)];
    });
    return { loss, coefficients, metrics: {} };
  },
};
