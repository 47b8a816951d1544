/** @file Accuracies: whether the correct choice is the likeliest. */

import { countCodePoints } from "../../core/python/text.ts";
import type { OutcomeOf } from "../requests/output-types.ts";
import { mean } from "./aggregations.ts";
import type { Metric } from "./metric.ts";

type Choices = OutcomeOf<"multiple_choice">;

export const acc: Metric = accuracyBy(() => 1);
/** Log-likelihoods are divided by the choices' lengths in characters. */
export const accNorm: Metric = accuracyBy(countCodePoints);
/** Log-likelihoods are divided by the choices' lengths in bytes. */
export const accBytes: Metric = accuracyBy(Buffer.byteLength);

/** 1 for a correct choice and 0 for another. */
function accuracyBy(measure: (choice: string) => number): Metric {
  const score = (outcome: Choices) => Number(likeliestChoice(outcome, measure) === outcome.gold);
  return { aggregation: mean, higherIsBetter: true, score: { multiple_choice: score } };
}

/** Number of the choice that is likeliest, for its measure if there is one; of equals the first. */
export function likeliestChoice({ results, choices }: Choices, measure = (_choice: string) => 1): number {
  const values = results.map(({ logLikelihood }, i) => logLikelihood / measure(choices[i]!));
  // NumPy's argmax takes the first that is no number before all.
  const notANumber = values.findIndex(Number.isNaN);
  return notANumber >= 0 ? notANumber : values.indexOf(Math.max(...values));
}
