/** @file Finds the items that two evaluations have in common, and makes sure that they were asked alike. */

import { InputError } from "../core/errors.ts";
import type { RecordedEvaluation, RecordedItem, RecordedTask } from "./evaluation-folder.ts";

/** One item of a task with its answers of both runs. */
export interface ItemPair {
  readonly task: string;
  readonly before: RecordedItem;
  readonly after: RecordedItem;
}

export interface PairedTask {
  readonly before: RecordedTask;
  readonly after: RecordedTask;
  /** The pairs under each filter that both runs have. */
  readonly pairs: ReadonlyMap<string, readonly ItemPair[]>;
}

export interface PairedEvaluations {
  /** By name, of the tasks in both. */
  readonly tasks: ReadonlyMap<string, PairedTask>;
  /** Sentences on what was left out, or paired though it was asked differently. */
  readonly notes: readonly string[];
}

/**
 * Pairs the items of two evaluations by task, filter and doc_id. Where data, prompts, correct answers or the task's
 * version differ, the runs measured different things: that is refused, or, if `allowDifferentPrompts`, noted, and items
 * are paired by the hash of their data instead.
 *
 * @throws InputError if there is nothing to pair, or what must agree does not
 */
export function pairEvaluations(
  before: RecordedEvaluation,
  after: RecordedEvaluation,
  allowDifferentPrompts: boolean,
): PairedEvaluations {
  const tasks = new Map<string, PairedTask>();
  const notes: string[] = [];
  for (const [name, task] of before.tasks) {
    const other = after.tasks.get(name);
    if (!other) continue;
    const difference = findDifference(task, other, before, after);
    if (difference !== undefined && !allowDifferentPrompts) {
      throw new InputError(
        `${difference}; evaluate again with the same settings, or add --allow-different-prompts to compare all the same.`,
      );
    }
    if (difference !== undefined) notes.push(`${difference}; items are paired by their data.`);
    tasks.set(name, pairTask(task, other, difference === undefined ? byDocId : byDocHash, notes));
  }
  if (tasks.size === 0) {
    const names = ({ tasks }: RecordedEvaluation) => [...tasks.keys()].join(", ");
    throw new InputError(
      `The evaluations have no task in common: ${before.path} is of ${names(before)}, ${after.path} of ${names(after)}.`,
    );
  }
  for (const [one, another] of [
    [before, after],
    [after, before],
  ] as const) {
    const missing = [...one.tasks.keys()].filter((name) => !another.tasks.has(name));
    if (missing.length > 0) notes.push(`Only ${one.path} has ${missing.join(", ")}; left out.`);
  }
  return { tasks, notes };
}

/** Says what of a task is not the same in both runs, in a sentence without its end; undefined if all is. */
function findDifference(
  task: RecordedTask,
  other: RecordedTask,
  before: RecordedEvaluation,
  after: RecordedEvaluation,
): string | undefined {
  if (task.version !== other.version) {
    return `The versions of ${task.name} differ (${task.version} before, ${other.version} after)`;
  }
  const pairs = [...commonFilters(task, other)].flatMap((filter) =>
    match(task.items.get(filter)!, other.items.get(filter)!, byDocId),
  );
  const otherData = pairs.find(([a, b]) => a.docHash !== b.docHash);
  if (otherData) {
    return `The data of ${task.name} differ (item ${otherData[0].docId} is not the same in both runs)`;
  }
  if (pairs.some(([a, b]) => a.promptHash !== b.promptHash)) {
    return `The prompts of ${task.name} differ (${explainPrompts(task, other, before, after)})`;
  }
  const otherTarget = pairs.find(([a, b]) => a.targetHash !== b.targetHash);
  if (otherTarget) {
    return `The correct answers of ${task.name} differ (item ${otherTarget[0].docId})`;
  }
  return undefined;
}

function explainPrompts(
  task: RecordedTask,
  other: RecordedTask,
  before: RecordedEvaluation,
  after: RecordedEvaluation,
): string {
  const settings: [name: string, before: string, after: string][] = [
    ["few-shot examples", String(task.numFewshot ?? "unknown"), String(other.numFewshot ?? "unknown")],
  ];
  for (const [name, value] of before.promptSettings)
    settings.push([name, value, after.promptSettings.get(name)!]);
  const differing = settings.filter(([, a, b]) => a !== b);
  if (differing.length === 0) {
    return "not in number or seed of the few-shot examples, nor in the use of a chat template or system instruction: in the template's or the task's text";
  }
  return differing.map(([name, a, b]) => `${name}: ${a} before, ${b} after`).join("; ");
}

function pairTask(task: RecordedTask, other: RecordedTask, keysOf: KeysOf, notes: string[]): PairedTask {
  const pairs = new Map<string, ItemPair[]>();
  for (const filter of commonFilters(task, other)) {
    const items = task.items.get(filter)!;
    const others = other.items.get(filter)!;
    const matched = match(items, others, keysOf);
    const where = filter === "none" ? task.name : `${task.name} under the filter ${filter}`;
    if (matched.length === 0) throw new InputError(`The evaluations have no item of ${where} in common.`);
    const onlyBefore = items.length - matched.length;
    const onlyAfter = others.length - matched.length;
    if (onlyBefore + onlyAfter > 0) {
      notes.push(
        `Of ${where}, ${matched.length} items are in both runs; ${onlyBefore} only before and ${onlyAfter} only after are left out.`,
      );
    }
    pairs.set(
      filter,
      matched.map(([a, b]) => ({ task: task.name, before: a, after: b })),
    );
  }
  if (pairs.size === 0) {
    const filters = ({ items }: RecordedTask) => [...items.keys()].join(", ");
    throw new InputError(
      `The evaluations have no filter of ${task.name} in common (${filters(task)} before, ${filters(other)} after).`,
    );
  }
  return { before: task, after: other, pairs };
}

function commonFilters(task: RecordedTask, other: RecordedTask): string[] {
  return [...task.items.keys()].filter((filter) => other.items.has(filter));
}

/** A key for each item, none twice. */
type KeysOf = (items: readonly RecordedItem[]) => Map<string, RecordedItem>;

const byDocId: KeysOf = (items) => new Map(items.map((item) => [String(item.docId), item]));

const byDocHash: KeysOf = (items) => {
  // Some datasets hold an item twice; the first goes with the first, the second with the second.
  const counts = new Map<string, number>();
  return new Map(
    items.map((item) => {
      const count = (counts.get(item.docHash) ?? 0) + 1;
      counts.set(item.docHash, count);
      return [`${item.docHash}/${count}`, item];
    }),
  );
};

function match(
  items: readonly RecordedItem[],
  others: readonly RecordedItem[],
  keysOf: KeysOf,
): [RecordedItem, RecordedItem][] {
  const otherByKey = keysOf(others);
  return [...keysOf(items)].flatMap(([key, item]): [RecordedItem, RecordedItem][] => {
    const other = otherByKey.get(key);
    return other ? [[item, other]] : [];
  });
}
