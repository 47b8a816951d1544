/** @file A benchmark as texts: the items that a model is evaluated on, and other examples of the same kind. */

import { locateData } from "../evaluation/dataset-location.ts";
import { prepareTask, prepareTasks } from "../evaluation/prepare.ts";
import type { AnsweredQuestion } from "../evaluation/requests/output-type.ts";
import { outputTypes } from "../evaluation/requests/output-types.ts";
import type { Instance, PreparedTask } from "../evaluation/task.ts";
import { createRegistry, type TaskRegistry } from "../evaluation/tasks/registry.ts";
import type { TaskEntry } from "../evaluation/tasks/task-entry.ts";
import type { HubOptions } from "../node/hub/hub.ts";

export interface BenchmarkItem extends AnsweredQuestion {
  /** The task that it is of, where the benchmark is a group. */
  readonly task: string;
  /** Its number in the task, from 0. */
  readonly docId: number;
}

/** A task, or a group of them taken together. */
export interface Benchmark {
  readonly name: string;
  /** What is evaluated. */
  readonly items: readonly BenchmarkItem[];
  /** What it is known by: examples that are not evaluated, where its tasks have any, else the items. */
  readonly examples: readonly AnsweredQuestion[];
  /** Tasks of which the examples are the items themselves. */
  readonly knownByItems: readonly string[];
}

export interface BenchmarkOptions {
  /** Only the first items of each task. */
  readonly limit?: number;
  /** A folder with the datasets as files; without it they come from the Hub. */
  readonly dataDir?: string;
  readonly hub?: HubOptions;
}

/**
 * Reads the items of tasks and groups, and for each task its few-shot, training or validation split, whichever is the
 * first that is there and not evaluated.
 *
 * @throws InputError as `prepareTasks`
 */
export async function readBenchmarks(
  names: readonly string[],
  options: BenchmarkOptions,
  registry: TaskRegistry,
): Promise<Benchmark[]> {
  const { tasks: entries, groups } = registry.select(names);
  const plain = createRegistry(entries.map(withoutPreamble), groups);
  const { tasks } = await prepareTasks(names, options, plain);
  const parts = new Map<string, Benchmark>();
  for (const [i, task] of tasks.entries()) {
    const others = await readOtherExamples(plain.tasks[i]!, options);
    const items = task.instances.map((instance) => ({
      ...toAnsweredQuestion(task, instance),
      task: task.name,
      docId: instance.docId,
    }));
    const { name } = task;
    parts.set(name, { name, items, examples: others ?? items, knownByItems: others ? [] : [name] });
  }
  return names.map((name) => {
    const members = groups.find((group) => group.name === name)?.tasks ?? [name];
    const benchmarks = members.map((member) => parts.get(member)!);
    return {
      name,
      items: benchmarks.flatMap(({ items }) => items),
      examples: benchmarks.flatMap(({ examples }) => examples),
      knownByItems: benchmarks.flatMap(({ knownByItems }) => knownByItems),
    };
  });
}

/** Examples and instructions before an item are the same for all, and would hide what it is about. */
function withoutPreamble(entry: TaskEntry): TaskEntry {
  return { ...entry, definition: { ...entry.definition, num_fewshot: 0, description: "" } };
}

async function readOtherExamples(
  entry: TaskEntry,
  { dataDir, hub }: BenchmarkOptions,
): Promise<AnsweredQuestion[] | undefined> {
  const { fewshot_split, training_split, validation_split, test_split } = locateData(
    entry,
    dataDir,
    hub,
  ).definition;
  const evaluated = test_split ?? validation_split;
  const other = [fewshot_split, training_split, validation_split].find(
    (split) => split !== undefined && split !== evaluated,
  );
  if (other === undefined) return undefined;
  const task = await prepareTask(
    { ...entry, definition: { ...entry.definition, test_split: other } },
    { ...(dataDir !== undefined && { dataDir }), ...(hub && { hub }) },
  );
  return task.instances.map((instance) => toAnsweredQuestion(task, instance));
}

function toAnsweredQuestion({ outputType, config }: PreparedTask, instance: Instance): AnsweredQuestion {
  return outputTypes[outputType].solve(instance, String(config.target_delimiter));
}
