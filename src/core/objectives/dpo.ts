/**
 * @file Direct preference optimization and losses like it: of the margin by which tuning made the chosen answer likelier than
 * the rejected one. As TRL 1.16 computes them.
 */

import * as z from "zod";
import { logSigmoid, sigmoid } from "./logistic.ts";
import type { Objective, ScoredText } from "./objective.ts";
import { betaSchema, labelSmoothingSchema } from "./options.ts";
import { pairMetrics, type Sides, sidesOf } from "./pairs.ts";
import { lengthOf, logProbabilityOf, logRatioOf, spread, sum } from "./scored-text.ts";

/** How strongly the model is held to its reference, or of IPO how far the margin goes: its τ. */
export const dpoOptions = z.strictObject({ beta: betaSchema.default(0.1) });

/** With 0 it is {@link dpo}; 0.1 is what TRL's documentation recommends. */
export const robustOptions = dpoOptions.extend({ label_smoothing: labelSmoothingSchema.default(0.1) });

/** DPO (Rafailov et al. 2023, equation 7): −log σ(β·δ), where δ is the chosen answer's log π/π_ref less the rejected one's. */
export function dpo({ beta }: z.output<typeof dpoOptions>): Objective {
  return ofMargin("dpo", beta, false, logistic(beta));
}

/**
 * DPO of log-ratios averaged over each answer's tokens (Lambert et al. 2024, Tülu 3; TRL's "sigmoid_norm"), so that long answers
 * count no more than short ones.
 */
export function dpoNorm({ beta }: z.output<typeof dpoOptions>): Objective {
  return ofMargin("dpo_norm", beta, true, logistic(beta));
}

/**
 * IPO (Azar et al. 2023, equation 17): (δ − 1/(2β))², of log-ratios averaged over each answer's tokens, as its authors confirmed to TRL.
 */
export function ipo({ beta }: z.output<typeof dpoOptions>): Objective {
  return ofMargin("ipo", beta, true, (margin) => {
    const excess = margin - 1 / (2 * beta);
    return [excess ** 2, 2 * excess];
  });
}

/** The hinge loss max(0, 1 − β·δ) in place of DPO's logistic one (Zhao et al. 2023, SLiC; Liu et al. 2023, RSO). */
export function hinge({ beta }: z.output<typeof dpoOptions>): Objective {
  return ofMargin("hinge", beta, false, (margin) =>
    beta * margin < 1 ? [1 - beta * margin, -beta] : [0, 0],
  );
}

/**
 * Robust DPO (Chowdhury et al. 2024): an unbiased estimate of DPO's loss where a share ε of the pairs is the wrong way
 * round, (−(1 − ε)·log σ(β·δ) + ε·log σ(−β·δ)) / (1 − 2ε).
 */
export function robust({ beta, label_smoothing: flipped }: z.output<typeof robustOptions>): Objective {
  return ofMargin("robust", beta, false, (margin) => [
    (flipped * logSigmoid(-beta * margin) - (1 - flipped) * logSigmoid(beta * margin)) / (1 - 2 * flipped),
    (-beta * (flipped * sigmoid(beta * margin) + (1 - flipped) * sigmoid(-beta * margin))) /
      (1 - 2 * flipped),
  ]);
}

/** A loss of a pair's margin in nats, and its derivative. */
type MarginLoss = (margin: number) => readonly [loss: number, slope: number];

function logistic(beta: number): MarginLoss {
  return (margin) => [-logSigmoid(beta * margin), -beta * sigmoid(-beta * margin)];
}

/**
 * The mean of a loss of each pair's margin.
 *
 * @param averaged whether log-ratios are averaged over the tokens of an answer for the margin; the metrics are of whole answers
 */
function ofMargin(name: string, beta: number, averaged: boolean, lossOf: MarginLoss): Objective {
  const perToken = (side: ScoredText) => (averaged ? 1 / lengthOf(side) : 1);
  return {
    name,
    learnsFrom: "pairs",
    usesReference: true,
    isLinear: false,
    evaluate(examples) {
      const pairs = examples.map((example) => {
        const [chosen, rejected] = sidesOf(example);
        const [perChosen, perRejected] = [perToken(chosen), perToken(rejected)];
        const [loss, slope] = lossOf(perChosen * logRatioOf(chosen) - perRejected * logRatioOf(rejected));
        const share = example.weight / examples.length;
        return {
          loss: share * loss,
          coefficients: [
            spread(chosen, share * slope * perChosen),
            spread(rejected, -share * slope * perRejected),
          ],
          rewards: [beta * logRatioOf(chosen), beta * logRatioOf(rejected)] satisfies Sides,
          logProbabilities: [logProbabilityOf(chosen), logProbabilityOf(rejected)] satisfies Sides,
        };
      });
      return {
        loss: sum(pairs.map(({ loss }) => loss)),
        coefficients: pairs.map(({ coefficients }) => coefficients),
        metrics: pairMetrics(
          pairs.map(({ rewards }) => rewards),
          pairs.map(({ logProbabilities }) => logProbabilities),
        ),
      };
    },
  };
}
