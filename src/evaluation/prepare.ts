/** @file From a task's definition to its items, ready to be asked. */

import type { TaskGroup } from "./evaluate.ts";
import type { LanguageModel } from "./language-model.ts";
import type { PreparedTask } from "./task.ts";
import type { TaskEntry } from "./tasks/task-entry.ts";

export interface PreparationOptions {
  /** Examples before each item. Default: what the task's definition says, else none. */
  readonly numFewshot?: number;
  /** Only the first items. */
  readonly limit?: number;
  /** Of the draws of examples. Default 1234, as in the harness. */
  readonly seed?: number;
  /** If given, prompts are conversations in the model's chat template. */
  readonly applyChatTemplate?: LanguageModel["applyChatTemplate"];
  /** Whether examples are turns of the conversation; else they stand in the one user's message. Default true. */
  readonly fewshotAsMultiturn?: boolean;
  readonly systemInstruction?: string;
  /** A folder with the datasets as files; without it they come from the Hub. */
  readonly dataDir?: string;
}

export async function prepareTask(_entry: TaskEntry, _options: PreparationOptions = {}): Promise<PreparedTask> {
  throw new Error("to be written");
}

/** Prepares the tasks of these names, and those of groups, each once. */
export async function prepareTasks(
  _names: readonly string[],
  _options: PreparationOptions = {},
): Promise<{ readonly tasks: readonly PreparedTask[]; readonly groups: readonly TaskGroup[] }> {
  throw new Error("to be written");
}
