/** @file What each metric gives for one item, from a model's answers to its requests. */

import type { ItemScore, MetricName } from "./aggregate.ts";
import type { LoglikelihoodResult } from "./language-model.ts";
import type { Instance, Metric } from "./task.ts";

export type ItemScores = Readonly<Partial<Record<MetricName, ItemScore>>>;

/** @param answers one per choice. */
export function scoreMultipleChoice(
  _instance: Instance,
  _answers: readonly LoglikelihoodResult[],
  _metrics: readonly Metric[],
): ItemScores {
  throw new Error("to be written");
}

/** @param answer the generated text as a filter left it. */
export function scoreGeneration(
  _instance: Instance,
  _answer: string,
  _metrics: readonly Metric[],
): ItemScores {
  throw new Error("to be written");
}

/** @param logLikelihood of the whole text, in nats. */
export function scoreRolling(
  _instance: Instance,
  _logLikelihood: number,
  _metrics: readonly Metric[],
): ItemScores {
  throw new Error("to be written");
}
