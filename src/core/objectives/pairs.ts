/** @file What the losses of pairs share: both sides of an example, how well the chosen one is imitated, and TRL's metrics. */

import type { ScoredExample, ScoredText } from "./objective.ts";
import { mean, sum } from "./scored-text.ts";

/** A number for the chosen answer, and one for the rejected. */
export type Sides<T = number> = readonly [chosen: T, rejected: T];

export function sidesOf({ texts }: ScoredExample): Sides<ScoredText> {
  return [texts[0]!, texts[1]!];
}

/**
 * The cross-entropy of chosen answers, over all their labels together: its value, and with the examples' weights the loss and the
 * derivative by each log-probability of an example.
 *
 * @param imitated the texts of each example
 */
export function imitationLoss(
  examples: readonly ScoredExample[],
  imitated: (example: ScoredExample) => readonly ScoredText[],
): { readonly nll: number; readonly loss: number; readonly slopes: readonly number[] } {
  const values = examples.map((example) => imitated(example).flatMap((text) => [...text.logProbabilities]));
  const labels = Math.max(1, sum(values.map(({ length }) => length)));
  return {
    nll: -sum(values.map(sum)) / labels,
    loss: -sum(values.map((each, i) => examples[i]!.weight * sum(each))) / labels,
    slopes: examples.map(({ weight }) => -weight / labels),
  };
}

/** What TRL logs of pairs. @param logProbabilities of both sides of each, whole or averaged, as the objective takes them */
export function pairMetrics(
  rewards: readonly Sides[],
  logProbabilities: readonly Sides[],
): Record<string, number> {
  return {
    "rewards/chosen": mean(rewards.map(([chosen]) => chosen)),
    "rewards/rejected": mean(rewards.map(([, rejected]) => rejected)),
    "rewards/accuracies": mean(rewards.map(([chosen, rejected]) => (chosen > rejected ? 1 : 0))),
    "rewards/margins": mean(rewards.map(([chosen, rejected]) => chosen - rejected)),
    "logps/chosen": mean(logProbabilities.map(([chosen]) => chosen)),
    "logps/rejected": mean(logProbabilities.map(([, rejected]) => rejected)),
  };
}
