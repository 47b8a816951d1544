/** @file By which of its scores a task is judged in a study. */

import { InputError } from "../../core/errors.ts";
import type { ScoreComparison, ScoreName } from "../../evaluation/compare.ts";
import { metricsOf, preferredScores } from "../../evaluation/metrics/metrics.ts";
import type { TaskRegistry } from "../../evaluation/tasks/registry.ts";
import type { GridConfig } from "./options.ts";

/** The score of this name. */
export function findScore(scores: readonly ScoreComparison[], name: ScoreName): ScoreComparison | undefined {
  return scores.find(
    ({ task, metric, filter }) => task === name.task && metric === name.metric && filter === name.filter,
  );
}

/**
 * The score by which a task is judged: the one that the study names; else acc_norm, acc, exact_match (that of the flexible
 * filter, which does not count the format), or the perplexity of words, whichever is the first that the task has.
 */
export function chooseScore(
  task: string,
  scores: readonly ScoreComparison[],
  { metrics }: Pick<GridConfig, "metrics">,
): ScoreName {
  const ofTask = scores.filter((score) => score.task === task);
  const named = metrics[task];
  const wanted = named === undefined ? preferredScores : [[named] as const];
  for (const [name, filter] of wanted) {
    const found = ofTask.find(
      (score) =>
        (score.metric === name || (named !== undefined && score.filter === name)) &&
        (filter === undefined || score.filter === filter),
    );
    if (found) return { task, metric: found.metric, filter: found.filter };
  }
  const known = ofTask.map(({ metric, filter }) => (filter === "none" ? metric : `${metric} (${filter})`));
  throw new InputError(
    `The task ${task} has no score ${named ?? "by which it can be judged"}; it has ${known.join(", ") || "none that follows from single items"}.`,
  );
}

/**
 * How many bits a byte of the right answers takes, of the tasks that have such; of texts that are read, a byte of them.
 */
export function chooseBits(tasks: readonly string[], scores: readonly ScoreComparison[]): ScoreName[] {
  return tasks.flatMap((task) => {
    const found = ["bits_per_byte_gold", "bits_per_byte"].flatMap((metric) => {
      const name = { task, metric, filter: "none" };
      return findScore(scores, name) ? [name] : [];
    });
    return found.slice(0, 1);
  });
}

/**
 * Makes sure that the scores which a study names are those of its tasks.
 *
 * @throws InputError if a task or group is not of the study, or none of its tasks has that metric or filter.
 */
export function checkScoreNames({ metrics, tasks }: GridConfig, registry: TaskRegistry): void {
  for (const [name, score] of Object.entries(metrics)) {
    if (!tasks.includes(name)) {
      throw new InputError(
        `A score is named for ${name}, which is no task of the study; name it for one of ${tasks.join(", ")}.`,
      );
    }
    const known = registry
      .select([name])
      .tasks.flatMap(({ definition }) => [
        ...metricsOf(definition).map(({ metric }) => metric as string),
        ...(definition.filter_list ?? []).map((filter) => filter.name),
      ]);
    if (!known.includes(score)) {
      throw new InputError(
        `The task ${name} has no score ${score}; it has ${[...new Set(known)].join(", ")}.`,
      );
    }
  }
}
