/**
 * @file Contrastive preference optimization and SimPO: losses of the margin by which the chosen answer is likelier than the rejected
 * one, without a reference. As TRL 1.16 computes them.
 */

import * as z from "zod";
import { logSigmoid, sigmoid } from "./logistic.ts";
import type { Objective, ScoredText } from "./objective.ts";
import { betaSchema, labelSmoothingSchema, lossWeightSchema } from "./options.ts";
import { imitationLoss, pairMetrics, type Sides, sidesOf } from "./pairs.ts";
import { lengthOf, logProbabilityOf, spread, sum } from "./scored-text.ts";

export const cpoOptions = z.strictObject({
  beta: betaSchema.default(0.1),
  label_smoothing: labelSmoothingSchema.default(0),
  /** How much the chosen answers' cross-entropy counts beside. */
  cpo_alpha: lossWeightSchema.default(1),
});

export const simpoOptions = cpoOptions.extend({
  /** None, as in SimPO's paper; TRL adds it with 1 by default. */
  cpo_alpha: lossWeightSchema.default(0),
  /** The margin of rewards that is aimed at. */
  simpo_gamma: z.number().min(0).default(0.5),
});

/**
 * CPO (Xu et al. 2024, equation 3): −log σ(β·δ) of the log-probabilities of whole answers, plus α times the cross-entropy of the
 * chosen answers.
 */
export function cpo(options: z.output<typeof cpoOptions>): Objective {
  return ofMargin("cpo", { ...options, simpo_gamma: 0 }, false);
}

/**
 * SimPO (Meng et al. 2024, equation 6): −log σ(β·δ − γ) of log-probabilities averaged over each answer's tokens. With
 * `cpo_alpha` it is CPO-SimPO.
 */
export function simpo(options: z.output<typeof simpoOptions>): Objective {
  return ofMargin("simpo", options, true);
}

/** @param averaged whether log-probabilities are averaged over the tokens of an answer, for the loss and for the metrics */
function ofMargin(
  name: string,
  { beta, label_smoothing: flipped, cpo_alpha: alpha, simpo_gamma: gamma }: z.output<typeof simpoOptions>,
  averaged: boolean,
): Objective {
  const perToken = (side: ScoredText) => (averaged ? 1 / lengthOf(side) : 1);
  return {
    name,
    learnsFrom: "pairs",
    usesReference: false,
    isLinear: false,
    evaluate(examples) {
      const imitation = imitationLoss(examples, ({ texts }) => [texts[0]!]);
      const pairs = examples.map((example, i) => {
        const [chosen, rejected] = sidesOf(example);
        const [perChosen, perRejected] = [perToken(chosen), perToken(rejected)];
        const logProbabilities: Sides = [
          perChosen * logProbabilityOf(chosen),
          perRejected * logProbabilityOf(rejected),
        ];
        const logit = beta * (logProbabilities[0] - logProbabilities[1]) - gamma;
        const share = example.weight / examples.length;
        const slope = share * beta * (flipped * sigmoid(logit) - (1 - flipped) * sigmoid(-logit));
        return {
          loss: -share * ((1 - flipped) * logSigmoid(logit) + flipped * logSigmoid(-logit)),
          coefficients: [
            spread(chosen, slope * perChosen + alpha * imitation.slopes[i]!),
            spread(rejected, -slope * perRejected),
          ],
          logProbabilities,
        };
      });
      const logProbabilities = pairs.map((pair) => pair.logProbabilities);
      return {
        loss: sum(pairs.map(({ loss }) => loss)) + alpha * imitation.loss,
        coefficients: pairs.map(({ coefficients }) => coefficients),
        metrics: {
          ...pairMetrics(
            logProbabilities.map(([chosen, rejected]): Sides => [beta * chosen, beta * rejected]),
            logProbabilities,
          ),
          // TRL does not compute it where it does not count.
          nll_loss: alpha === 0 ? 0 : imitation.nll,
        },
      };
    },
  };
}
