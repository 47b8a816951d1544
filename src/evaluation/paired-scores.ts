/** @file The scores that two evaluations have in common, as values of their paired items. */

import type { RecordedGroup, RecordedScore, RecordedTask } from "./evaluation-folder.ts";
import { type Aggregation, type ItemScore, mean, withSize } from "./metrics/aggregations.ts";
import { findMetric } from "./metrics/metrics.ts";
import type { ItemPair, PairedEvaluations, PairedTask } from "./paired-items.ts";

/** One metric of a task or group. */
export interface PairedScore {
  /** Name of the task or group. */
  readonly task: string;
  /** Of a group, the tasks whose items are pooled. */
  readonly pooled?: readonly string[];
  /** The scores that are tested together with this one. */
  readonly family: string;
  readonly metric: string;
  readonly filter: string;
  readonly higherIsBetter: boolean;
  readonly pairs: readonly ItemPair[];
  /** Of each pair, its value before. */
  readonly before: Float64Array;
  readonly after: Float64Array;
  /** Of each pair, how much it counts: 1, or the number of words or bytes of a perplexity's text. */
  readonly sizes: Float64Array;
}

/** How a metric sums up its items: that of a metric which is none of ours is taken to be a mean. */
export function aggregationOf(metric: string): Aggregation {
  return findMetric(metric)?.aggregation ?? mean;
}

/** All scores that can be compared, each group before its tasks; of others, `notes` is told. */
export function collectPairedScores(
  paired: PairedEvaluations,
  groups: ReadonlyMap<string, RecordedGroup>,
  notes: string[],
): PairedScore[] {
  const tasksOf = (name: string): string[] => groups.get(name)?.members.flatMap(tasksOf) ?? [name];
  const collect = (name: string, family: string): PairedScore[] => {
    const task = paired.tasks.get(name);
    if (task) return scoresOfTask(task, family, notes);
    const group = groups.get(name);
    if (!group) return [];
    const ofMembers = group.members.flatMap((member) => collect(member, `tasks of ${name}`));
    const recorded = tasksOf(name).flatMap((member) => paired.tasks.get(member) ?? []);
    if (group.scores.length === 0) return ofMembers;
    if (!tasksOf(name).every((member) => paired.tasks.has(member))) {
      notes.push(`The group ${name} is not whole in both evaluations; left out.`);
      return ofMembers;
    }
    return [...poolScores(name, group, family, ofMembers, recorded), ...ofMembers];
  };
  const inGroups = new Set([...groups.values()].flatMap(({ members }) => members));
  const names = [...groups.keys(), ...paired.tasks.keys()].filter((name) => !inGroups.has(name));
  return names.flatMap((name) => collect(name, "tasks and groups"));
}

function scoresOfTask({ before, after, pairs }: PairedTask, family: string, notes: string[]): PairedScore[] {
  const collected: PairedScore[] = [];
  for (const score of before.scores) {
    const { metric, filter, higherIsBetter } = score;
    const leaveOut = (reason: string) =>
      notes.push(`${metric} (${filter}) of ${before.name} ${reason}; left out.`);
    const other = after.scores.find((one) => one.metric === metric && one.filter === filter);
    const ofFilter = under(filter, pairs);
    if (!other || !ofFilter) {
      leaveOut("is only in the first evaluation");
      continue;
    }
    const follows = (task: RecordedTask, { value }: RecordedScore) =>
      isScoreOf(under(filter, task.items)!.map(valueFor(metric)), metric, value);
    // Metrics that are no mean of items, such as F1, are known by this.
    if (!follows(before, score) || !follows(after, other)) {
      leaveOut("does not follow from the values of the single items");
      continue;
    }
    const values = ofFilter.map((pair) => withSize(valueFor(metric)(pair.before)!));
    const others = ofFilter.map((pair) => withSize(valueFor(metric)(pair.after)!));
    if (values.some(([, size], i) => size !== others[i]![1])) {
      leaveOut("counts items by sizes that differ between the runs");
      continue;
    }
    collected.push({
      task: before.name,
      family: familyOf(metric, family),
      metric,
      filter,
      higherIsBetter,
      pairs: ofFilter,
      before: Float64Array.from(values, ([value]) => value),
      after: Float64Array.from(others, ([value]) => value),
      sizes: Float64Array.from(values, ([, size]) => size),
    });
  }
  for (const { metric, filter } of after.scores) {
    if (!before.scores.some((one) => one.metric === metric && one.filter === filter)) {
      notes.push(`${metric} (${filter}) of ${before.name} is only in the second evaluation; left out.`);
    }
  }
  return collected;
}

/** Of what is known by filters: a score that no filter changes stands with the items under each. */
function under<T>(filter: string, byFilter: ReadonlyMap<string, T>): T | undefined {
  return byFilter.get(filter) ?? (filter === "none" ? [...byFilter.values()][0] : undefined);
}

/** How likely right answers are is another question than how many are given, and is tested apart. */
function familyOf(metric: string, family: string): string {
  return findMetric(metric)?.scoreGold ? `right answers of ${family}` : family;
}

const valueFor =
  (metric: string) =>
  ({ scores }: { readonly scores: ReadonlyMap<string, ItemScore> }) =>
    scores.get(metric);

function isScoreOf(items: readonly (ItemScore | undefined)[], metric: string, expected: number): boolean {
  const { aggregate, ofQuotient } = aggregationOf(metric);
  if (!ofQuotient || items.includes(undefined)) return false;
  const score = aggregate(items as readonly ItemScore[]);
  return Math.abs(score - expected) <= 1e-6 * Math.max(1, Math.abs(expected));
}

/** The scores of a group over the items of all its tasks that have them; others, such as perplexities, count for themselves. */
function poolScores(
  name: string,
  { scores }: RecordedGroup,
  family: string,
  ofMembers: readonly PairedScore[],
  recorded: readonly PairedTask[],
): PairedScore[] {
  const ofTasks = ofMembers.filter(({ pooled }) => pooled === undefined);
  return scores.flatMap(({ metric, filter, higherIsBetter }) => {
    const pool = ofTasks.filter((score) => score.metric === metric && score.filter === filter);
    const having = recorded.filter(({ before }) =>
      before.scores.some((score) => score.metric === metric && score.filter === filter),
    );
    if (pool.length < having.length) return [];
    return {
      task: name,
      pooled: pool.map(({ task }) => task),
      family: familyOf(metric, family),
      metric,
      filter,
      higherIsBetter,
      pairs: pool.flatMap(({ pairs }) => pairs),
      before: concatenate(pool.map(({ before }) => before)),
      after: concatenate(pool.map(({ after }) => after)),
      sizes: concatenate(pool.map(({ sizes }) => sizes)),
    };
  });
}

function concatenate(parts: readonly Float64Array[]): Float64Array {
  return Float64Array.from(parts.flatMap((part) => [...part]));
}
