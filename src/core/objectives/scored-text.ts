/** @file What the losses of whole answers make of the log-probabilities of their labels. */

import type { ScoredText } from "./objective.ts";

/** Of a whole text, in nats. */
export function logProbabilityOf({ logProbabilities }: ScoredText): number {
  return sum(logProbabilities);
}

/** By how much a text is likelier than to the reference, in nats. */
export function logRatioOf({ logProbabilities, reference }: ScoredText): number {
  return sum(logProbabilities) - sum(reference);
}

/** Labels, by whose number is divided: at least 1, as TRL has it. */
export function lengthOf({ logProbabilities }: ScoredText): number {
  return Math.max(1, logProbabilities.length);
}

/** The coefficients of a text whose labels count alike. */
export function spread({ logProbabilities }: ScoredText, coefficient: number): Float64Array {
  return new Float64Array(logProbabilities.length).fill(coefficient);
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

export function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
