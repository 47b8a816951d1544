/** @file The sets that a study tunes on: files as they are, or a task's split written as prompts and completions. */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { locateData } from "../../evaluation/dataset-location.ts";
import { renderDoc } from "../../evaluation/doc-rendering.ts";
import { createRegistry, loadTasks, type TaskRegistry } from "../../evaluation/tasks/registry.ts";
import type { TaskEntry } from "../../evaluation/tasks/task-entry.ts";
import { makeFolder, writeWhole } from "../../node/files/write.ts";
import type { GridConfig } from "./options.ts";

/** A set as a run reads it. */
export interface DataSource {
  readonly name: string;
  /** As in study.yaml. */
  readonly source: string;
  /** A file of examples or a Hub id. */
  readonly path: string;
  /** The task that the set is a split of. */
  readonly task?: string;
}

/** The split of a task that stands for "what may be tuned on". */
const tuneSplit = "tune";

/** @throws InputError if a file is missing, or a task has no such split that may be tuned on. */
export function checkData(config: GridConfig): void {
  const registry = loadTasks(config.task_files);
  for (const [name, source] of Object.entries(config.data)) {
    const ofTask = parseTaskSplit(source, registry);
    if (ofTask) splitToTuneOn(ofTask, config);
    else checkSource(name, source);
  }
}

/**
 * Makes a study's sets ready; a task's split is written to `folder` as rows of prompt and completion, in the form in
 * which the task asks.
 *
 * @throws InputError if a task lacks the split, or an item a correct answer.
 */
export async function prepareData(config: GridConfig, folder: string): Promise<DataSource[]> {
  const registry = loadTasks(config.task_files);
  const sources: DataSource[] = [];
  for (const [name, source] of Object.entries(config.data)) {
    const ofTask = parseTaskSplit(source, registry);
    if (!ofTask) {
      sources.push({ name, source, path: source });
      continue;
    }
    const path = join(folder, `${name}.jsonl`);
    if (!existsSync(path))
      await writeSplit(ofTask.entry, splitToTuneOn(ofTask, config), config.data_dir, path);
    sources.push({ name, source, path, task: ofTask.entry.name });
  }
  return sources;
}

/**
 * The tasks of a study, with their own limits. Of a task without a training split at hand, only the items are evaluated that no set of the study
 * is made of.
 */
export function studyTasks(config: GridConfig): TaskRegistry {
  const registry = loadTasks(config.task_files);
  const tunedOn = new Set(
    Object.values(config.data).flatMap((source) => {
      const ofTask = parseTaskSplit(source, registry);
      return ofTask && usesEvaluatedItems(ofTask, config) ? [ofTask.entry.name] : [];
    }),
  );
  const limits = new Map(
    Object.entries(config.limits).flatMap(([name, limit]) =>
      registry.select([name]).tasks.map((entry) => [entry.name, limit] as const),
    ),
  );
  const tasks = registry.tasks.map((entry) => {
    const limit = limits.get(entry.name);
    return {
      ...entry,
      ...(tunedOn.has(entry.name) && { definition: withSplit(entry.definition, entry.tune!.rest) }),
      ...(limit !== undefined && { limit }),
    };
  });
  return createRegistry(tasks, registry.groups);
}

/** What is to be said of tasks of which a part was tuned on. */
export function describeSplits(config: GridConfig): string[] {
  const registry = loadTasks(config.task_files);
  return Object.values(config.data).flatMap((source) => {
    const ofTask = parseTaskSplit(source, registry);
    if (!ofTask || !usesEvaluatedItems(ofTask, config)) return [];
    const { name, tune } = ofTask.entry;
    return `The training split of ${name} is not at hand, so ${tune!.split} is tuned on and only ${tune!.rest} is evaluated.`;
  });
}

interface TaskSplit {
  readonly entry: TaskEntry;
  readonly split: string;
}

function parseTaskSplit(source: string, registry: TaskRegistry): TaskSplit | undefined {
  const [, task, split] = /^([^:/\\]+):(.+)$/.exec(source) ?? [];
  const entry = registry.tasks.find(({ name }) => name === task);
  return entry && { entry, split: split! };
}

function usesEvaluatedItems({ entry, split }: TaskSplit, { data_dir }: GridConfig): boolean {
  return split === tuneSplit && entry.tune !== undefined && !hasTrainingSplit(entry, data_dir);
}

function hasTrainingSplit(entry: TaskEntry, dataDir: string | undefined): boolean {
  return locateData(entry, dataDir).definition.training_split !== undefined;
}

/** @throws InputError if the split is not there, or its items are evaluated. */
function splitToTuneOn({ entry, split }: TaskSplit, { data_dir }: GridConfig): string {
  const { definition } = locateData(entry, data_dir);
  const { training_split, validation_split, test_split } = definition;
  if (split === tuneSplit) {
    const chosen = training_split ?? entry.tune?.split;
    if (chosen !== undefined) return chosen;
    throw new InputError(
      `The task ${entry.name} has no split that may be tuned on; give a file of examples.`,
    );
  }
  const evaluated = test_split ?? validation_split;
  if (split === evaluated) {
    throw new InputError(
      `The split "${split}" of ${entry.name} is the one that is evaluated, so it must not be tuned on${training_split === undefined ? "" : `; take ${entry.name}:${training_split}`}.`,
    );
  }
  return split;
}

function withSplit(definition: TaskEntry["definition"], split: string): TaskEntry["definition"] {
  return definition.test_split === undefined
    ? { ...definition, validation_split: split }
    : { ...definition, test_split: split };
}

async function writeSplit(
  entry: TaskEntry,
  split: string,
  dataDir: string | undefined,
  path: string,
): Promise<void> {
  const { definition, readSplit } = locateData(entry, dataDir);
  const lines: string[] = [];
  for (const { doc, where } of await readSplit(split)) {
    const { text, choices, target } = renderDoc(definition, doc);
    const answer = typeof target === "number" && choices ? choices[target] : String(target);
    if (typeof text !== "string" || answer === undefined) {
      throw new InputError(
        `The task ${entry.name}, ${where}: the item has no question with one answer after it.`,
      );
    }
    lines.push(
      `${JSON.stringify({ prompt: text, completion: `${definition.target_delimiter}${answer}` })}\n`,
    );
  }
  makeFolder(dirname(path));
  writeWhole(path, lines.join(""));
}

/** A path is checked now; a Hub id (owner/name) is not. */
function checkSource(name: string, source: string): void {
  const mayBeHubId = /^[\w.-]+\/[\w.-]+(?::[\w.-]+)?$/.test(source);
  if (existsSync(source) || mayBeHubId) return;
  throw new InputError(
    `The data "${name}" is ${source}, but there is no such file, and no task with such a split.`,
  );
}
