/** @file From a task's definition to its items, ready to be asked. */

import { createHash } from "node:crypto";
import { InputError } from "../core/errors.ts";
import { compilePythonRegExp } from "../core/python/regexp.ts";
import type { HubOptions } from "../node/hub/hub.ts";
import { locateData, type SourceDoc } from "./dataset-location.ts";
import type { DemonstrationSelector } from "./demonstration-selector.ts";
import { type DocFields, renderDoc } from "./doc-rendering.ts";
import type { TaskGroup } from "./evaluate.ts";
import {
  chooseExamples,
  countShots,
  createPrompt,
  drawExamples,
  type FewshotPool,
  readPool,
  shotFields,
} from "./fewshot.ts";
import { goldOf, withoutGold } from "./gold.ts";
import { argumentsOf, type LanguageModel } from "./language-model.ts";
import { metrics, metricsOf } from "./metrics/metrics.ts";
import { outputTypes } from "./requests/output-types.ts";
import type { Instance, PreparedTask } from "./task.ts";
import { loadTasks, type TaskRegistry } from "./tasks/registry.ts";
import type { TaskDefinition } from "./tasks/task-definition.ts";
import type { TaskEntry } from "./tasks/task-entry.ts";

export interface PreparationOptions {
  /** Examples before each item. Default: what the task's definition says, else none. A task defined for none has none. */
  readonly numFewshot?: number;
  /** Only the first items, as many as there are up to this. */
  readonly limit?: number;
  /** Of the draws of examples. Default 1234, as in the harness. */
  readonly seed?: number;
  /** Chooses the examples of each item, in place of the harness's draws. */
  readonly fewshotBy?: DemonstrationSelector;
  /** Called with how many texts a model has read to choose, of how many. */
  readonly onChoosing?: (task: string, done: number, total: number) => void;
  /** Where it chooses from. Default: where the harness draws from. */
  readonly fewshotPool?: FewshotPool;
  /** If given, prompts are conversations in the model's chat template. */
  readonly applyChatTemplate?: LanguageModel["applyChatTemplate"];
  /** Whether examples are turns of the conversation; else they stand in the one user's message. Default true. */
  readonly fewshotAsMultiturn?: boolean;
  readonly systemInstruction?: string;
  /** Tokens that the model sees at a time, prompt and answer. Default: any number. */
  readonly maxLength?: number;
  /** A folder with the datasets as files; without it they come from the Hub. */
  readonly dataDir?: string;
  readonly hub?: HubOptions;
}

/**
 * Makes a task's items ready: the same prompts as lm-evaluation-harness 0.4.12 makes of the same data, with the same
 * draws of examples.
 *
 * @throws InputError if the data is missing, an item lacks a field or has no correct choice, a template or regular
 *   expression is not valid, there are too few examples, the limit is not a number of items, or answers may be longer than the model's context.
 * @example
 * const definition = defineTask({
 *   task: "sums",
 *   dataset_path: "json",
 *   dataset_kwargs: { data_files: { test: "sums.jsonl" } },
 *   test_split: "test",
 *   doc_to_text: "{{sum}} =",
 *   doc_to_target: "{{result}}",
 * });
 * const entry = { name: "sums", description: "Sums.", items: undefined, licence: "my own", definition };
 * const { instances } = await prepareTask(entry, { numFewshot: 2 });
 * console.log(instances[0]?.requests);
 */
export async function prepareTask(entry: TaskEntry, options: PreparationOptions = {}): Promise<PreparedTask> {
  const data = locateData(entry, options.dataDir, options.hub);
  const { definition } = data;
  const { output_type, target_delimiter, filter_list: filters = [] } = definition;
  const outputType = outputTypes[output_type];
  const { applyChatTemplate, fewshotAsMultiturn = true, systemInstruction = "" } = options;
  const chat = applyChatTemplate && { apply: applyChatTemplate, asMultiturn: fewshotAsMultiturn };
  for (const pattern of patternsOf(definition)) checkPattern(entry.name, pattern);
  outputType.check?.(definition, options.maxLength ?? Number.POSITIVE_INFINITY);

  const numFewshot = countShots(definition, options.numFewshot);
  const split = definition.test_split ?? definition.validation_split;
  if (split === undefined) throw new InputError(`The task ${entry.name} has no split to evaluate.`);
  const docs = await data.readSplit(split);
  const evaluated = docs.slice(0, checkLimit(entry.limit ?? options.limit));
  const { fewshotBy } = options;
  const pool = options.fewshotPool ?? { docs: numFewshot > 0 ? await readPool(data, docs) : [] };
  const { fields: exampleFields = shotFields(definition) } = pool;
  checkFields(definition, evaluated);
  checkFields(exampleFields, pool.docs);
  if (fewshotBy && numFewshot === 0) {
    throw new InputError(
      `No examples stand before the items of ${entry.name}, so that none can be chosen; ask for a number of them (--num-fewshot), or leave the task out if it takes none.`,
    );
  }
  const examples = fewshotBy
    ? await chooseExamples(definition, evaluated, pool, fewshotBy, numFewshot, (done, total) =>
        options.onChoosing?.(entry.name, done, total),
      )
    : drawExamples(definition, evaluated, pool.docs, numFewshot, options.seed ?? 1234, entry.name);

  const taskMetrics = metricsOf(definition);
  const asksGold = taskMetrics.some(({ metric }) => metrics[metric].scoreGold);
  let textType: string | undefined;
  const instances = evaluated.map(({ doc, where }, docId): Instance => {
    try {
      const rendered = renderDoc(definition, doc);
      textType ??= typeof rendered.text;
      if (typeof rendered.text !== textType) {
        throw new Error("doc_to_text is a choice's number for some items and a text for others");
      }
      const prompt = createPrompt(definition, doc, examples[docId]!, exampleFields, systemInstruction, chat);
      const targetDelimiter = chat ? "" : target_delimiter;
      const item = outputType.prepare({ definition, doc, rendered, prompt, targetDelimiter });
      const instance = { docId, doc, target: rendered.target, ...item };
      const gold = asksGold ? goldOf(instance, output_type, targetDelimiter) : undefined;
      return { ...instance, ...(gold && { gold }) };
    } catch (error) {
      throw new InputError(
        `The task ${entry.name}, ${where}: ${(error as Error).message.replace(/\.?$/, ".")}`,
      );
    }
  });
  const task: PreparedTask = {
    name: entry.name,
    version: String(definition.metadata?.version ?? "Yaml"),
    outputType: output_type,
    numFewshot,
    instances,
    size: docs.length,
    metrics: taskMetrics,
    filters,
    promptHash: hashPrompts(instances),
    config: { ...toPlainData(definition), ...data.source, num_fewshot: numFewshot },
  };
  return instances.every(({ gold }) => gold) ? task : withoutGold(task);
}

/**
 * Prepares the tasks of these names, and those of groups, each once and in this order.
 *
 * @param registry where the names are found. Default: the built-in tasks.
 * @throws InputError as `prepareTask` and the registry's `select`, or if a task that is named itself has fewer items than
 *   the limit. Tasks of a group differ in size, and give what they have.
 * @example
 * const { tasks } = await prepareTasks(["gsm8k", "mmlu_cs"], { numFewshot: 5, limit: 50 });
 * for (const { name, promptHash } of tasks) console.log(name, promptHash);
 */
export async function prepareTasks(
  names: readonly string[],
  options: PreparationOptions = {},
  registry: TaskRegistry = loadTasks(),
): Promise<{ readonly tasks: readonly PreparedTask[]; readonly groups: readonly TaskGroup[] }> {
  const { tasks: entries, groups } = registry.select(names);
  const tasks: PreparedTask[] = [];
  for (const entry of entries) {
    const task = await prepareTask(entry, options);
    const limit = entry.limit ?? options.limit;
    if (names.includes(entry.name) && limit !== undefined && limit > task.size) {
      throw new InputError(
        `The limit ${limit} is larger than ${entry.name}, which has ${task.size} items; lower it, or leave it out.`,
      );
    }
    tasks.push(task);
  }
  return { tasks, groups };
}

/**
 * Where a field's name stands in place of a template, a document without it would be asked its name. A name that no
 * document has is a text.
 *
 * @throws InputError if a document lacks a field that others have.
 */
function checkFields(fields: DocFields, docs: readonly SourceDoc[]): void {
  for (const field of [fields.doc_to_text, fields.doc_to_target, fields.doc_to_choice]) {
    if (typeof field !== "string") continue;
    const lacking = docs.find(({ doc }) => !Object.hasOwn(doc, field));
    if (lacking && docs.some(({ doc }) => Object.hasOwn(doc, field))) {
      throw new InputError(`${lacking.where}: the field "${field}" is missing.`);
    }
  }
}

function checkLimit(limit: number | undefined): number | undefined {
  if (limit !== undefined && (!Number.isInteger(limit) || limit < 1)) {
    throw new InputError(`The limit must be a whole number of items from 1 on, not ${limit}.`);
  }
  return limit;
}

function patternsOf(definition: TaskDefinition): string[] {
  const steps = (definition.filter_list ?? []).flatMap(({ filter }) => filter);
  return [
    ...steps.flatMap((step) => (step.function === "regex" ? [step.regex_pattern] : [])),
    ...metricsOf(definition).flatMap((entry) => metrics[entry.metric].patterns?.(entry) ?? []),
  ];
}

function checkPattern(task: string, pattern: string): void {
  try {
    compilePythonRegExp(pattern);
  } catch (error) {
    throw new InputError(`The task ${task}: ${(error as Error).message}`);
  }
}

/** Of all that a model reads of each item. */
function hashPrompts(instances: readonly Instance[]): string {
  const hash = createHash("sha256");
  for (const { requests } of instances) {
    const texts = requests.map((request) =>
      request.type === "loglikelihood" ? argumentsOf(request) : argumentsOf(request)[0],
    );
    hash.update(`${JSON.stringify(texts)}\n`);
  }
  return hash.digest("hex");
}

/** A definition as results hold it: functions by their names, and nothing that is undefined. */
function toPlainData(definition: TaskDefinition): Record<string, unknown> {
  return JSON.parse(
    JSON.stringify(definition, (_, value) => (typeof value === "function" ? `[${value.name}]` : value)),
  );
}
