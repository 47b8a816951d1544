/** @file REINFORCE with a leave-one-out baseline, as TRL 1.16 computes it. */

import * as z from "zod";
import type { Objective, ScoredExample } from "./objective.ts";
import {
  clipMetrics,
  clippedSurrogate,
  estimateEntropy,
  numGenerationsSchema,
  oldOf,
  rewardMetrics,
  rolloutOptions,
} from "./rollouts.ts";
import { logProbabilityOf, spread, sum } from "./scored-text.ts";

export const rlooOptions = rolloutOptions.extend({
  num_generations: numGenerationsSchema.default(2),
  /** How strongly the model is held to its reference. */
  beta: z.number().min(0).default(0.05),
});

type RlooOptions = z.output<typeof rlooOptions>;

/**
 * RLOO (Ahmadian et al. 2024, section 3.3; Kool et al. 2019): the mean over answers of −min(ρA, clip(ρ, 1 − ε, 1 + ε)·A), where ρ is how
 * much likelier the whole answer has become since it was written, and A its reward less the mean of the others of its group. Of each
 * reward β times the answer's log π/π_ref, as it was written, is taken first.
 */
export function rloo(options: RlooOptions): Objective {
  const { beta, num_iterations } = options;
  return {
    name: "rloo",
    learnsFrom: "prompts",
    usesReference: beta > 0,
    isLinear: false,
    evaluate(examples) {
      const ratios = examples.map(({ texts }) =>
        texts.map((text) => sum(oldOf(text, options)) - (beta > 0 ? sum(text.reference) : 0)),
      );
      const penalized = examples.map(({ rewards }, group) =>
        rewards!.map((reward, i) => (beta > 0 ? reward - beta * ratios[group]![i]! : reward)),
      );
      const advantages = penalized.map(leaveOneOut);
      const answers = examples.reduce((count, { texts }) => count + texts.length, 0);
      const groups = examples.map(({ texts, weight }, group) =>
        texts.map((text, i) => {
          const ratio = Math.exp(logProbabilityOf(text) - sum(oldOf(text, options)));
          const surrogate = clippedSurrogate(ratio, advantages[group]![i]!, options);
          const share = weight / answers;
          return {
            surrogate,
            loss: share * surrogate.loss,
            coefficients: spread(text, share * surrogate.slope),
          };
        }),
      );
      const all = groups.flat();
      return {
        loss: sum(all.map(({ loss }) => loss)),
        coefficients: groups.map((group) => group.map(({ coefficients }) => coefficients)),
        metrics: {
          ...rewardMetrics(examples, penalized),
          entropy: estimateEntropy(
            examples.flatMap(({ texts }) => texts),
            options,
          ),
          ...(beta > 0 && { kl: sum(ratios.flat()) / countLabels(examples) }),
          ...(num_iterations > 1 && clipMetrics(all.map(({ surrogate }) => [surrogate]))),
        },
      };
    },
  };
}

/** Each reward less the mean of the others. */
function leaveOneOut(rewards: readonly number[]): number[] {
  const total = sum(rewards);
  return rewards.map((reward) => reward - (total - reward) / (rewards.length - 1));
}

function countLabels(examples: readonly ScoredExample[]): number {
  const lengths = examples.flatMap(({ texts }) =>
    texts.map(({ logProbabilities }) => logProbabilities.length),
  );
  return Math.max(1, sum(lengths));
}
