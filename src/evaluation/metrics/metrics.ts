/** @file The metrics by the harness's names, and what they give for the items of a task. */

import { type OutputTypeName, outputTypes } from "../requests/output-types.ts";
import type { TaskDefinition } from "../tasks/task-definition.ts";
import { acc, accBytes, accNorm } from "./accuracy.ts";
import type { ItemScore } from "./aggregations.ts";
import { exactMatch } from "./exact-match.ts";
import { judged } from "./judged.ts";
import { mcc } from "./matthews-correlation.ts";
import type { Metric, ScoredGold, Scorer } from "./metric.ts";
import {
  bitsPerByteOfGold,
  bitsPerByteOfText,
  bytePerplexity,
  perplexityOfTexts,
  wordPerplexity,
} from "./perplexity.ts";

const table = {
  acc,
  acc_norm: accNorm,
  acc_bytes: accBytes,
  mcc,
  exact_match: exactMatch,
  judged,
  word_perplexity: wordPerplexity,
  byte_perplexity: bytePerplexity,
  bits_per_byte: bitsPerByteOfText,
  bits_per_byte_gold: bitsPerByteOfGold,
  perplexity: perplexityOfTexts,
};

export type MetricName = keyof typeof table;

/** The metrics, each with its aggregation and direction, by name. */
export const metrics: Readonly<Record<MetricName, Metric>> = table;

export const metricNames = Object.keys(table) as readonly MetricName[];

/** What a metric lets a definition say beside its name. */
export type SettingsOf<M> = M extends Metric<infer Settings> ? Settings : never;

/** A metric of a task, with its settings: an entry of its `metric_list`. */
export type TaskMetric = {
  readonly [N in MetricName]: {
    readonly metric: N;
    readonly aggregation?: string | undefined;
    readonly higher_is_better?: boolean | undefined;
  } & SettingsOf<(typeof table)[N]>;
}[MetricName];

/** By which a task is judged, those before others: of filters the flexible one, which does not count the format. */
export const preferredScores: readonly (readonly [metric: string, filter?: string])[] = [
  ["acc_norm"],
  ["acc"],
  ["exact_match", "flexible-extract"],
  ["exact_match"],
  ["judged"],
  ["word_perplexity"],
];

export type ItemScores = Readonly<Partial<Record<MetricName, ItemScore>>>;

/** The metric of a name in results, which other harnesses may have written; undefined if it is none of ours. */
export function findMetric(name: string): Metric | undefined {
  return Object.hasOwn(metrics, name) ? metrics[name as MetricName] : undefined;
}

/** The metrics that items of a type can have. */
export function metricNamesOf(type: OutputTypeName): MetricName[] {
  const { furtherMetrics = [] } = outputTypes[type];
  return metricNames.filter((name) => findScorer(name, type) || furtherMetrics.includes(name));
}

function findScorer(name: MetricName, type: OutputTypeName): Scorer<unknown> | undefined {
  return outputTypes[type].scores?.[name] ?? metrics[name].score[type];
}

/** The metrics of a task: those of its definition, or else its output type's; and those that all of its type have. */
export function metricsOf({
  metric_list,
  output_type,
}: Pick<TaskDefinition, "metric_list" | "output_type">): readonly TaskMetric[] {
  const { defaultMetrics, furtherMetrics = [] } = outputTypes[output_type];
  const toMetrics = (names: readonly string[]) => names.map((metric) => ({ metric }) as TaskMetric);
  const own: readonly TaskMetric[] = metric_list ?? toMetrics(defaultMetrics);
  return [...own, ...toMetrics(furtherMetrics.filter((name) => !own.some(({ metric }) => metric === name)))];
}

/** What each of a task's metrics gives for one item. @param gold its right answer, if that was scored */
export function scoreItem(
  type: OutputTypeName,
  outcome: unknown,
  ofTask: readonly TaskMetric[],
  gold?: ScoredGold,
): ItemScores {
  return Object.fromEntries(
    ofTask.map((entry) => {
      const { scoreGold } = metrics[entry.metric];
      if (scoreGold && gold) return [entry.metric, scoreGold(gold)];
      const score = findScorer(entry.metric, type);
      if (!score) throw new Error(`The metric ${entry.metric} is not for the output_type ${type}.`);
      return [entry.metric, score(outcome, entry)];
    }),
  );
}
