/** @file Odds ratio preference optimization: imitation of the chosen answer, and odds against the rejected one, in one. */

import * as z from "zod";
import { log1mexp, logSigmoid, sigmoid } from "./logistic.ts";
import type { Objective } from "./objective.ts";
import { betaSchema } from "./options.ts";
import { imitationLoss, pairMetrics, type Sides, sidesOf } from "./pairs.ts";
import { lengthOf, logProbabilityOf, mean, spread, sum } from "./scored-text.ts";

/** How much the odds ratio counts beside the cross-entropy: the paper's λ. */
export const orpoOptions = z.strictObject({ beta: betaSchema.default(0.1) });

/** A likelihood of 1 has no odds. This is the one next to it among float32 numbers, which the engine's are. */
const certain = Math.log1p(-(2 ** -24));

/**
 * ORPO (Hong et al. 2024, equations 6 and 7): the cross-entropy of the chosen answers less β·log σ(log-odds ratio), where an answer's odds
 * are those of its likelihood averaged over its tokens. As TRL 1.16 computes it, with one difference: TRL's cross-entropy is that of
 * prompt and chosen answer. Where an example has a third text, that is imitated as well; with the prompt there, all of whose
 * tokens are labels, the loss is TRL's.
 */
export function orpo({ beta }: z.output<typeof orpoOptions>): Objective {
  return {
    name: "orpo",
    learnsFrom: "pairs",
    usesReference: false,
    isLinear: false,
    evaluate(examples) {
      const imitation = imitationLoss(examples, ({ texts: [chosen, , ...others] }) => [chosen!, ...others]);
      const pairs = examples.map((example, i) => {
        const [chosen, rejected] = sidesOf(example);
        const averages: Sides = [
          Math.min(certain, logProbabilityOf(chosen) / lengthOf(chosen)),
          Math.min(certain, logProbabilityOf(rejected) / lengthOf(rejected)),
        ];
        const logOdds = averages[0] - log1mexp(averages[0]) - (averages[1] - log1mexp(averages[1]));
        const share = example.weight / examples.length;
        const slope = -share * beta * sigmoid(-logOdds);
        // The derivative of log-odds by the log of a likelihood p is 1 / (1 − p).
        return {
          loss: -share * beta * logSigmoid(logOdds),
          coefficients: [
            spread(chosen, imitation.slopes[i]! - slope / Math.expm1(averages[0]) / lengthOf(chosen)),
            spread(rejected, slope / Math.expm1(averages[1]) / lengthOf(rejected)),
            ...example.texts.slice(2).map((text) => spread(text, imitation.slopes[i]!)),
          ],
          averages,
          logOdds,
        };
      });
      const averages = pairs.map((pair) => pair.averages);
      return {
        loss: imitation.loss + sum(pairs.map(({ loss }) => loss)),
        coefficients: pairs.map(({ coefficients }) => coefficients),
        metrics: {
          ...pairMetrics(
            averages.map(([chosen, rejected]): Sides => [beta * chosen, beta * rejected]),
            averages,
          ),
          nll_loss: imitation.nll,
          log_odds_ratio: mean(pairs.map(({ logOdds }) => logSigmoid(logOdds))),
          log_odds_chosen: mean(pairs.map(({ logOdds }) => logOdds)),
        },
      };
    },
  };
}
