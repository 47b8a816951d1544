/** @file An alignment from start to end: the model and the data by their names, and the tasks. */

import { loadTasks } from "../evaluation/tasks/registry.ts";
import { type OpenAdaptedOptions, openAdaptedModel } from "../node/adapters/open-adapted.ts";
import { resolveDataset } from "../node/data/hub-dataset.ts";
import {
  type AlignmentData,
  type AlignmentOptions,
  type AlignmentResult,
  measureAlignment,
} from "./align.ts";

export interface AlignmentRunOptions
  extends AlignmentOptions,
    Pick<OpenAdaptedOptions, "storage" | "chatTemplate" | "date"> {
  /** Folder, .gguf file or Hub id of the base model. */
  readonly model: string;
  /** Sets of tuning data; their paths may be ids of Hub datasets. */
  readonly data: readonly AlignmentData[];
  /** Split of Hub datasets. Default "train". */
  readonly dataSplit?: string;
  /** Names of tasks and groups. */
  readonly tasks: readonly string[];
  /** YAML files of further tasks. */
  readonly taskFiles?: readonly string[];
}

/**
 * Measures how well sets of tuning data fit tasks, from the base model alone, and whether the tasks' items stand in the data.
 *
 * @throws InputError as `measureAlignment` does, or if there is no such model.
 * @example
 * const data = [{ name: "faq", path: "faq.csv" }];
 * const { alignments } = await runAlignment({ model: "fixtures/embedded-model", data, tasks: ["gsm8k"] });
 * console.log(alignments[0]!.gradient);
 */
export async function runAlignment({
  model: name,
  data,
  dataSplit = "train",
  tasks,
  taskFiles,
  storage = "float32",
  chatTemplate,
  date,
  ...options
}: AlignmentRunOptions): Promise<AlignmentResult> {
  const { registry = loadTasks(taskFiles) } = options;
  // Unknown names are told before the model is read.
  registry.select(tasks);
  const resolved: AlignmentData[] = [];
  for (const set of data) resolved.push({ ...set, path: await resolveDataset(set.path, dataSplit) });
  options.onStage?.("reading the model");
  const model = await openAdaptedModel(name, { storage, chatTemplate, date });
  return measureAlignment(model, resolved, tasks, { ...options, registry });
}
