/** @file From the scores of items to those of tasks and groups, as lm-evaluation-harness 0.4.12 computes them. */

import { type Interval, wilsonInterval } from "../statistics/wilson.ts";
import { type ItemScore, mean } from "./metrics/aggregations.ts";
import { type MetricName, metrics } from "./metrics/metrics.ts";

export interface Score {
  readonly value: number;
  /** The standard error, where the harness has a formula for it. */
  readonly stderr: number | undefined;
  /** Wilson's 95 % interval, if the value is a share of the items, each right or wrong. */
  readonly interval: Interval | undefined;
  /** The number of items it is of. */
  readonly size: number;
}

/**
 * A task's score from those of its items.
 *
 * The standard error of a mean is the sample's standard deviation (n - 1) over √n. One item has none, nor have
 * other aggregations: the harness knows no formula for theirs.
 */
export function aggregateItems(metric: MetricName, items: readonly ItemScore[]): Score {
  const { aggregation } = metrics[metric];
  const value = aggregation.aggregate(items);
  const size = items.length;
  if (aggregation !== mean) return { value, stderr: undefined, interval: undefined, size };
  const values = items as readonly number[];
  const variance = sum(values.map((item) => (item - value) ** 2)) / (size - 1);
  const stderr = size > 1 ? Math.sqrt(variance) / Math.sqrt(size) : undefined;
  const isShare = values.every((item) => item === 0 || item === 1);
  return { value, stderr, interval: isShare ? wilsonInterval(sum(values), size) : undefined, size };
}

/**
 * A group's score from those of its tasks: their mean, by size or each alike, with the pooled standard error
 * √(Σ (n-1) n se² / (Σn - k) / Σn), which the harness takes by size in both cases. It has none if a task has none.
 */
export function aggregateTasks(scores: readonly Score[], weightBySize: boolean): Score {
  const weights = scores.map(({ size }) => (weightBySize ? size : 1));
  const value = sum(scores.map((score, i) => score.value * weights[i]!)) / sum(weights);
  const size = sum(scores.map((score) => score.size));
  let pooled: number | undefined = 0;
  for (const score of scores) {
    if (score.stderr === undefined) pooled = undefined;
    else if (pooled !== undefined) pooled += (score.size - 1) * score.stderr ** 2 * score.size;
  }
  const stderr = pooled === undefined ? undefined : Math.sqrt(pooled / (size - scores.length) / size);
  const areShares = weightBySize && scores.every(({ interval }) => interval !== undefined);
  const interval = areShares ? wilsonInterval(Math.round(value * size), size) : undefined;
  return { value, stderr, interval, size };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
