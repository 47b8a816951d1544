/** @file A task's definition: lm-evaluation-harness's fields under its names, and their check in YAML files. */

import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { parseFields } from "../../core/parse-fields.ts";
import type { GenerationKwargs } from "../language-model.ts";
import { type MetricName, metricNames, metricNamesOf, metrics, type TaskMetric } from "../metrics/metrics.ts";
import { outputTypeNames, outputTypes } from "../requests/output-types.ts";
import type { Doc, Filter } from "../task.ts";

const text = z.string();
const filterStep = z.discriminatedUnion("function", [
  z.strictObject({
    function: z.literal("regex"),
    regex_pattern: text,
    group_select: z.int().optional(),
    fallback: text.optional(),
  }),
  z.strictObject({ function: z.literal("take_first") }),
  z.strictObject({ function: z.literal("remove_whitespace") }),
  z.strictObject({ function: z.literal("lowercase") }),
]);

const metric = z.discriminatedUnion("metric", metricNames.map(schemaOf) as [MetricSchema, ...MetricSchema[]]);
type MetricSchema = ReturnType<typeof schemaOf>;
function schemaOf(name: MetricName) {
  const { aggregation, higherIsBetter, settings } = metrics[name];
  return z.strictObject({
    metric: z.literal(name),
    ...settings,
    aggregation: z.literal(aggregation.name).optional(),
    higher_is_better: z.literal(higherIsBetter).optional(),
  });
}

const generationKwargs = z.strictObject({
  until: z.preprocess((value) => (typeof value === "string" ? [value] : value), z.array(text)).optional(),
  max_gen_toks: z.int().positive().optional(),
  do_sample: z.boolean().optional(),
  temperature: z.number().min(0).optional(),
  top_p: z.number().optional(),
  top_k: z.int().optional(),
  min_p: z.number().optional(),
  repetition_penalty: z.number().optional(),
});

const choices = z.union([
  text,
  z.array(text),
  z.record(text, text).transform((labelled) => Object.values(labelled)),
]);
const target = z.union([text, z.int().min(0)]);

const definitionSchema = z.strictObject({
  task: text.min(1),
  task_alias: text.optional(),
  tag: z.union([text, z.array(text)]).optional(),
  dataset_path: text,
  dataset_name: text.optional(),
  dataset_kwargs: z
    .strictObject({
      data_files: z.union([text.transform((train) => ({ train })), z.record(text, text)]).optional(),
      trust_remote_code: z.literal(false).optional(),
    })
    .optional(),
  training_split: text.optional(),
  validation_split: text.optional(),
  test_split: text.optional(),
  fewshot_split: text.optional(),
  output_type: z.enum(outputTypeNames).default("generate_until"),
  doc_to_text: text,
  doc_to_target: target,
  doc_to_choice: choices.optional(),
  description: text.optional(),
  target_delimiter: text.default(" "),
  fewshot_delimiter: text.default("\n\n"),
  fewshot_config: z
    .strictObject({
      sampler: z.enum(["default", "first_n"]).optional(),
      samples: z.array(z.record(text, z.unknown())).optional(),
      doc_to_text: text.optional(),
      doc_to_target: target.optional(),
      doc_to_choice: choices.optional(),
      target_delimiter: text.optional(),
      fewshot_delimiter: text.optional(),
    })
    .optional(),
  num_fewshot: z.int().min(0).optional(),
  generation_kwargs: generationKwargs.optional(),
  repeats: z.literal(1).optional(),
  filter_list: z.array(z.strictObject({ name: text.min(1), filter: z.array(filterStep) })).optional(),
  metric_list: z.array(metric).min(1).optional(),
  should_decontaminate: z.boolean().optional(),
  doc_to_decontamination_query: text.optional(),
  metadata: z.looseObject({ version: z.union([text, z.number()]).optional() }).optional(),
});

/** A definition as a file may give it. */
export type UserDefinition = z.infer<typeof definitionSchema>;

/**
 * A task's definition. Those that come with the program, or through the API, may have functions where the harness's own
 * have them.
 */
export type TaskDefinition = Omit<
  UserDefinition,
  "doc_to_text" | "doc_to_target" | "doc_to_choice" | "generation_kwargs" | "filter_list" | "metric_list"
> & {
  /** Applied to each document of a split. Throws Error if the document does not hold what it needs. */
  readonly process_docs?: (doc: Doc) => Doc;
  /** The text by whose words and bytes perplexities are counted. Default: the target. */
  readonly measured_text?: (doc: Doc) => string;
  /** With a number, that of a choice: the choices are contexts, and the target is what follows them. */
  readonly doc_to_text: string | ((doc: Doc) => string | number);
  readonly doc_to_target: string | number | ((doc: Doc) => string | number);
  readonly doc_to_choice?: string | readonly string[] | ((doc: Doc) => readonly string[]) | undefined;
  /** By default, answers end at the delimiter of examples. */
  readonly generation_kwargs?: Partial<GenerationKwargs>;
  readonly filter_list?: readonly Filter[];
  readonly metric_list?: readonly TaskMetric[] | undefined;
};

/** The fields that have a default in YAML files may be left out. */
export type TaskDefinitionInput = Omit<
  TaskDefinition,
  "target_delimiter" | "fewshot_delimiter" | "output_type"
> &
  Partial<Pick<TaskDefinition, "target_delimiter" | "fewshot_delimiter" | "output_type">>;

/** A split's name and, of a part, the first item and that after the last. */
export function parseSplit(split: string): {
  readonly name: string;
  readonly start: number | undefined;
  readonly end: number | undefined;
} {
  const [, name = split, start, end] = /^(.+)\[(\d*):(\d*)\]$/.exec(split) ?? [];
  const toNumber = (digits: string | undefined) => (digits ? Number(digits) : undefined);
  return { name, start: toNumber(start), end: toNumber(end) };
}

/**
 * Adds the defaults to a definition in code.
 *
 * @example
 * const definition = defineTask({
 *   task: "capitals",
 *   dataset_path: "json",
 *   dataset_kwargs: { data_files: { test: "capitals.jsonl" } },
 *   test_split: "test",
 *   doc_to_text: ({ country }) => `The capital of ${country} is`,
 *   doc_to_target: "{{capital}}",
 *   generation_kwargs: { until: ["."], max_gen_toks: 8 },
 *   metric_list: [{ metric: "judged", judge: (answer, target) => Number(answer.trim() === target) }],
 * });
 */
export function defineTask(definition: TaskDefinitionInput): TaskDefinition {
  return { output_type: "generate_until", target_delimiter: " ", fewshot_delimiter: "\n\n", ...definition };
}

/**
 * Checks a definition that was read from a file.
 *
 * @param where names it in errors.
 * @throws InputError if a field is missing, not as it should be, or not supported.
 */
export function checkDefinition(value: Readonly<Record<string, unknown>>, where: string): TaskDefinition {
  const given = Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null));
  for (const [field, reason] of Object.entries(refused)) {
    if (given[field] !== undefined) throw new InputError(`${where}: ${field} is not supported; ${reason}.`);
  }
  const data = parseFields(definitionSchema, given, where);
  checkTogether(data, where);
  // An optional field that the schema leaves out is not there, where its type allows undefined.
  return data as TaskDefinition;
}

const functions = "functions in files are never run, so give process_docs and the like through the API";
const refused: Readonly<Record<string, string>> = {
  process_docs: functions,
  process_results: functions,
  custom_dataset: functions,
  unsafe_code: functions,
  include: "write all fields into the one file",
  use_prompt: "write the prompt as doc_to_text",
  gen_prefix: "end doc_to_text with it",
  doc_to_image: "models read text only",
  doc_to_audio: "models read text only",
};

function checkTogether(definition: UserDefinition, where: string): void {
  const { output_type, metric_list = [], test_split, validation_split } = definition;
  const known = metricNamesOf(output_type);
  const other = metric_list.find(({ metric }) => !known.includes(metric));
  if (other) {
    throw new InputError(
      `${where}: the metric ${other.metric} is not for the output_type ${output_type}; it has ${known.join(", ")}.`,
    );
  }
  const withChoices = outputTypeNames.filter((name) => outputTypes[name].hasChoices);
  if (withChoices.includes(output_type) !== (definition.doc_to_choice !== undefined)) {
    throw new InputError(
      `${where}: doc_to_choice must be given for ${withChoices.join(" and ")}, and for it only.`,
    );
  }
  if (test_split === undefined && validation_split === undefined) {
    throw new InputError(`${where}: name the split to evaluate as test_split or validation_split.`);
  }
}
