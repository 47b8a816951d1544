/** @file From a task's definition to its items, ready to be asked. */

import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { InputError } from "../core/errors.ts";
import { createPythonRandom } from "../core/python/random.ts";
import { compilePythonRegExp } from "../core/python/regexp.ts";
import type { HubOptions } from "../node/hub/hub.ts";
import { locateData, type SourceDoc, type TaskData } from "./dataset-location.ts";
import { type DocFields, type RenderedDoc, renderDoc } from "./doc-rendering.ts";
import type { TaskGroup } from "./evaluate.ts";
import { judges } from "./judges.ts";
import { defaultMaxGenToks, type GenerationKwargs, type LanguageModel } from "./language-model.ts";
import { assemblePrompt, joinSystem, type Shot } from "./prompt.ts";
import type { Doc, Instance, InstanceRequests, Metric, PreparedTask } from "./task.ts";
import { renderTaskTemplate } from "./task-template.ts";
import { loadTasks, type TaskRegistry } from "./tasks/registry.ts";
import { defaultMetrics, type TaskDefinition } from "./tasks/task-definition.ts";
import type { TaskEntry } from "./tasks/task-entry.ts";

export interface PreparationOptions {
  /** Examples before each item. Default: what the task's definition says, else none. A task defined for none has none. */
  readonly numFewshot?: number;
  /** Only the first items, as many as there are up to this. */
  readonly limit?: number;
  /** Of the draws of examples. Default 1234, as in the harness. */
  readonly seed?: number;
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
 */
export async function prepareTask(entry: TaskEntry, options: PreparationOptions = {}): Promise<PreparedTask> {
  const data = locateData(entry, options.dataDir, options.hub);
  const { definition } = data;
  const { output_type: outputType, filter_list: filters = [] } = definition;
  for (const pattern of patternsOf(definition)) checkPattern(entry.name, pattern);
  checkAnswerLength(definition, options.maxLength);

  const numFewshot = countShots(definition, options.numFewshot);
  const split = definition.test_split ?? definition.validation_split;
  if (split === undefined) throw new InputError(`The task ${entry.name} has no split to evaluate.`);
  const docs = await data.readSplit(split);
  const evaluated = docs.slice(0, checkLimit(entry.limit ?? options.limit));
  const pool = numFewshot > 0 ? await readPool(data, docs) : [];
  checkFields(definition, evaluated);
  checkFields(shotFields(definition), pool);
  const draw = createDraw(definition, pool, numFewshot, options.seed ?? 1234, entry.name);

  let textType: string | undefined;
  const instances = evaluated.map(({ doc, where }, docId): Instance => {
    try {
      const rendered = renderDoc(definition, doc);
      textType ??= typeof rendered.text;
      if (typeof rendered.text !== textType) {
        throw new Error("doc_to_text is a choice's number for some items and a text for others");
      }
      const requests = prepareRequests(definition, doc, rendered, draw(doc), options);
      return { docId, doc, target: rendered.target, requests };
    } catch (error) {
      throw new InputError(
        `The task ${entry.name}, ${where}: ${(error as Error).message.replace(/\.?$/, ".")}`,
      );
    }
  });
  return {
    name: entry.name,
    version: String(definition.metadata?.version ?? "Yaml"),
    outputType,
    numFewshot,
    instances,
    size: docs.length,
    metrics: toMetrics(definition),
    filters,
    promptHash: hashPrompts(instances),
    config: { ...toPlainData(definition), ...data.source, num_fewshot: numFewshot },
  };
}

/**
 * Prepares the tasks of these names, and those of groups, each once and in this order.
 *
 * @param registry where the names are found. Default: the built-in tasks.
 * @throws InputError as `prepareTask` and the registry's `select`, or if a task that is named itself has fewer items than
 *   the limit. Tasks of a group differ in size, and give what they have.
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

function countShots(definition: TaskDefinition, asked: number | undefined): number {
  const { output_type, num_fewshot } = definition;
  // The harness does not override a definition's 0 either. Texts that are scored whole have no prompt.
  if (num_fewshot === 0 || output_type === "loglikelihood_rolling") return 0;
  return asked ?? num_fewshot ?? 0;
}

function checkLimit(limit: number | undefined): number | undefined {
  if (limit !== undefined && (!Number.isInteger(limit) || limit < 1)) {
    throw new InputError(`The limit must be a whole number of items from 1 on, not ${limit}.`);
  }
  return limit;
}

/** The documents from which examples are drawn, by the harness's order of precedence. */
async function readPool({ definition, readSplit }: TaskData, evaluated: readonly SourceDoc[]) {
  const { fewshot_config, fewshot_split, training_split, validation_split } = definition;
  if (fewshot_split === undefined && fewshot_config?.samples) {
    return fewshot_config.samples.map((doc, i) => ({ doc, where: `example ${i + 1} of fewshot_config` }));
  }
  const others = fewshot_split ?? training_split ?? validation_split;
  return others === undefined ? evaluated : readSplit(others);
}

type Draw = (doc: Doc) => readonly SourceDoc[];

function createDraw(
  definition: TaskDefinition,
  pool: readonly SourceDoc[],
  count: number,
  seed: number,
  task: string,
): Draw {
  if (count === 0) return () => [];
  const { fewshot_config, fewshot_split, test_split } = definition;
  const isFirst = fewshot_config?.sampler === "first_n";
  // The harness takes the item for one of the pool if neither is named, too.
  const mayDrawItem = !isFirst && fewshot_split === test_split;
  const drawn = mayDrawItem ? count + 1 : count;
  if (drawn > pool.length) {
    throw new InputError(
      `The task ${task} has ${pool.length} examples, of which ${drawn} are to be drawn for each item; ask for fewer.`,
    );
  }
  if (isFirst) return () => pool.slice(0, count);
  const random = createPythonRandom(seed);
  return (item) => {
    const examples = random.sample(pool, drawn);
    return mayDrawItem
      ? examples.filter(({ doc }) => !isDeepStrictEqual(doc, item)).slice(0, count)
      : examples;
  };
}

function prepareRequests(
  definition: TaskDefinition,
  doc: Doc,
  rendered: RenderedDoc,
  examples: readonly SourceDoc[],
  options: PreparationOptions,
): InstanceRequests {
  const { output_type: type, measured_text } = definition;
  if (type === "loglikelihood_rolling") {
    const text = String(rendered.target);
    return { type, text, original: measured_text ? measured_text(doc) : text };
  }
  const { applyChatTemplate, fewshotAsMultiturn = true, systemInstruction = "" } = options;
  const chat = applyChatTemplate && { apply: applyChatTemplate, asMultiturn: fewshotAsMultiturn };
  const { target_delimiter, fewshot_delimiter, fewshot_config } = definition;
  const description = definition.description ?? "";
  const parts = {
    system: joinSystem(
      systemInstruction,
      Object.hasOwn(doc, description) ? String(doc[description]) : renderTaskTemplate(description, doc),
      fewshot_delimiter,
    ),
    shots: examples.map((example) => renderShot(shotFields(definition), example)),
    targetDelimiter: fewshot_config?.target_delimiter ?? target_delimiter,
    fewshotDelimiter: fewshot_config?.fewshot_delimiter ?? fewshot_delimiter,
  };
  const prompt = (question: string) => assemblePrompt({ ...parts, question }, chat);
  if (type === "multiple_choice") return prepareChoices(rendered, prompt, chat ? "" : target_delimiter);
  return { type, context: prompt(questionOf(rendered)), options: generationOptions(definition) };
}

function prepareChoices(
  { text, choices = [], target }: RenderedDoc,
  prompt: (question: string) => string,
  delimiter: string,
): InstanceRequests {
  const type = "multiple_choice";
  if (typeof text === "number") {
    const pairs = choices.map((choice) => [prompt(choice), `${delimiter}${target}`] as const);
    return { type, pairs, choices, gold: checkGold(text, choices) };
  }
  const context = prompt(text);
  const pairs = choices.map((choice) => [context, `${delimiter}${choice}`] as const);
  const gold = typeof target === "number" ? target : choices.indexOf(target);
  return { type, pairs, choices, gold: checkGold(gold, choices, target) };
}

function checkGold(gold: number, choices: readonly string[], target: unknown = gold): number {
  if (Number.isInteger(gold) && gold >= 0 && gold < choices.length) return gold;
  throw new Error(
    `the label ${JSON.stringify(target)} is none of the ${choices.length} choices; they are counted from 0`,
  );
}

function shotFields({ fewshot_config, ...definition }: TaskDefinition): DocFields {
  return {
    doc_to_text: fewshot_config?.doc_to_text ?? definition.doc_to_text,
    doc_to_target: fewshot_config?.doc_to_target ?? definition.doc_to_target,
    doc_to_choice: fewshot_config?.doc_to_choice ?? definition.doc_to_choice,
  };
}

function renderShot(fields: DocFields, { doc, where }: SourceDoc): Shot {
  try {
    const rendered = renderDoc(fields, doc);
    const { choices = [], target } = rendered;
    const answer = typeof target === "number" && choices.length > 0 ? choices[target] : String(target);
    if (answer === undefined) throw new Error(`the label ${target} is none of the ${choices.length} choices`);
    return { question: questionOf(rendered), answer };
  } catch (error) {
    throw new Error(`an example before it (${where}): ${(error as Error).message}`);
  }
}

function questionOf({ text, choices = [] }: RenderedDoc): string {
  const question = typeof text === "number" ? choices[text] : text;
  if (question === undefined) throw new Error(`the label ${text} is none of the ${choices.length} choices`);
  return question;
}

function generationOptions({ generation_kwargs, fewshot_delimiter }: TaskDefinition): GenerationKwargs {
  const { until = [fewshot_delimiter], ...others } = generation_kwargs ?? {
    temperature: 0,
    do_sample: false,
    max_gen_toks: defaultMaxGenToks,
  };
  return { ...others, until };
}

function checkAnswerLength(definition: TaskDefinition, maxLength = Number.POSITIVE_INFINITY): void {
  const { max_gen_toks = defaultMaxGenToks } = generationOptions(definition);
  if (definition.output_type === "generate_until" && max_gen_toks >= maxLength) {
    throw new InputError(
      `The task ${definition.task} has answers of up to ${max_gen_toks} tokens, which leave no room for a prompt in the model's context of ${maxLength}; lower max_gen_toks of the task, or take another model.`,
    );
  }
}

function toMetrics({ output_type, metric_list }: TaskDefinition): Metric[] {
  return (metric_list ?? defaultMetrics[output_type]).map((entry): Metric => {
    const { aggregation, higher_is_better, ...metric } = { aggregation: 0, higher_is_better: 0, ...entry };
    if (metric.metric !== "judged") return metric as Metric;
    return {
      metric: "judged",
      judge: typeof metric.judge === "string" ? judges[metric.judge]! : metric.judge,
    };
  });
}

function patternsOf({ filter_list = [], metric_list = [] }: TaskDefinition): string[] {
  const steps = filter_list.flatMap(({ filter }) => filter);
  return [
    ...steps.flatMap((step) => (step.function === "regex" ? [step.regex_pattern] : [])),
    ...metric_list.flatMap((metric) =>
      metric.metric === "exact_match" ? (metric.regexes_to_ignore ?? []) : [],
    ),
  ];
}

function checkPattern(task: string, pattern: string): void {
  try {
    compilePythonRegExp(pattern);
  } catch (error) {
    throw new InputError(`The task ${task}: ${(error as Error).message}`);
  }
}

function hashPrompts(instances: readonly Instance[]): string {
  const hash = createHash("sha256");
  for (const { requests } of instances) {
    const texts =
      requests.type === "multiple_choice"
        ? requests.pairs
        : [requests.type === "generate_until" ? requests.context : requests.text];
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
