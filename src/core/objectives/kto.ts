/** @file Kahneman-Tversky optimization: answers that are wanted or not, without pairs. */

import * as z from "zod";
import { sigmoid } from "./logistic.ts";
import type { Objective, ScoredExample } from "./objective.ts";
import { betaSchema, lossWeightSchema } from "./options.ts";
import { logProbabilityOf, logRatioOf, mean, spread, sum } from "./scored-text.ts";

export const ktoOptions = z.strictObject({
  beta: betaSchema.default(0.1),
  /** How much wanted answers count, and unwanted ones, to make up for unequal numbers of them. */
  desirable_weight: lossWeightSchema.default(1),
  undesirable_weight: lossWeightSchema.default(1),
});

/**
 * KTO (Ethayarajh et al. 2024): 1 − σ(β·(r − z)) of a wanted answer and 1 − σ(β·(z − r)) of an unwanted one, where r is
 * its log π/π_ref, and z how far the model is from its reference: the mean of the log-ratios of the examples' second texts, the same
 * prompts with answers to others, at least 0 and not differentiated. As TRL 1.16 computes it. z is that of all examples of an optimizer
 * step, however few; give it a batch of several.
 */
export function kto({ beta, desirable_weight, undesirable_weight }: z.output<typeof ktoOptions>): Objective {
  return {
    name: "kto",
    learnsFrom: "unpaired",
    usesReference: true,
    isLinear: false,
    evaluate(examples) {
      const kl = Math.max(0, mean(examples.map(({ texts }) => logRatioOf(texts[1]!))));
      const answers = examples.map(({ texts, weight, label }) => {
        const share = (weight * (label ? desirable_weight : undesirable_weight)) / examples.length;
        const sign = label ? 1 : -1;
        const regret = sigmoid(sign * beta * (kl - logRatioOf(texts[0]!)));
        return {
          loss: share * regret,
          coefficients: [
            spread(texts[0]!, -share * sign * beta * regret * (1 - regret)),
            spread(texts[1]!, 0),
          ],
        };
      });
      return {
        loss: sum(answers.map(({ loss }) => loss)),
        coefficients: answers.map(({ coefficients }) => coefficients),
        metrics: { kl, ...answerMetrics(examples, beta) },
      };
    },
  };
}

/** TRL's, of the sides of which there are examples. */
function answerMetrics(examples: readonly ScoredExample[], beta: number): Record<string, number> {
  const metricsOf = (side: string, wanted: boolean): Record<string, number> => {
    const answers = examples.filter(({ label }) => label === wanted).map(({ texts }) => texts[0]!);
    if (answers.length === 0) return {};
    return {
      [`rewards/${side}`]: beta * mean(answers.map(logRatioOf)),
      [`logps/${side}`]: mean(answers.map(logProbabilityOf)),
    };
  };
  const metrics = { ...metricsOf("chosen", true), ...metricsOf("rejected", false) };
  const { "rewards/chosen": chosen, "rewards/rejected": rejected } = metrics;
  if (chosen === undefined || rejected === undefined) return metrics;
  return { ...metrics, "rewards/margins": chosen - rejected };
}
