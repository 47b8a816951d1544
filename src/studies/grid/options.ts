/** @file The options of a grid of tuned models: methods on sets of data with seeds, all asked the same tasks. */

import { z } from "zod";
import { type MethodName, methodNames, methodOf, peftFormats } from "../../core/adapters/methods.ts";
import { InputError } from "../../core/errors.ts";
import { loadTasks } from "../../evaluation/tasks/registry.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { resolveModel } from "../../node/models/hub-model.ts";
import { chatTemplateText, day, parseRunConfig } from "../../node/training/run-config.ts";
import { checkNamedOnce, checkUndecided, runOptions } from "../option-checks.ts";
import { checkData } from "./study-data.ts";
import { checkScoreNames } from "./task-scores.ts";

/** Names stand in the names of folders. */
const name = z
  .string()
  .regex(/^[a-zA-Z\d][\w.+-]{0,63}$/, "names are letters, digits, and _ . + -, at most 64");
const variantName = name.regex(/^[a-zA-Z]/, "names of variants begin with a letter");

/** The fields of a grid's options, to which a kind of study adds its own. */
export const gridOptions = {
  /** Folder, .gguf file or Hub id. */
  model: z.string().min(1),
  /** Sets to tune on: a file of examples or Hub id, or a task's split such as "gsm8k:train" or "hellaswag:tune". */
  data: z.record(name, z.string().min(1)),
  /** Tasks that a set is meant to improve. By default a task's split is meant for that task. */
  aligned: z.record(name, z.array(z.string())).default({}),
  methods: z.array(z.enum(methodNames)).min(1),
  /** Tasks and groups. */
  tasks: z.array(z.string()).min(1),
  /** Score by which a task is judged, such as "acc_norm" or "strict-match"; by default see {@link chooseScore}. */
  metrics: z.record(z.string(), z.string()).default({}),
  /** YAML files of further tasks. */
  task_files: z.array(z.string()).default([]),
  /** Folder with the tasks' datasets as files, in place of the Hub. */
  data_dir: z.string().optional(),
  /** Items of each task. */
  limit: z.int().min(1).optional(),
  /** Items of single tasks, or of each task of a group, in place of `limit`. */
  limits: z.record(z.string(), z.int().min(1)).default({}),
  num_fewshot: z.int().min(0).optional(),
  /** Whether examples are tuned on, and tasks asked, in the model's chat template. */
  apply_chat_template: z.boolean().default(false),
  /** A Jinja template in place of the model's own, as text. */
  chat_template: chatTemplateText.optional(),
  /** The day that chat templates print as today's; by default that of the study's start. */
  date: day.optional(),
  /** Every cell is computed once for each. */
  seeds: z.array(z.int().min(0)).min(1).default([42]),
  /** Options of all runs, by the names of a run's config.yaml. */
  run: runOptions.default({}),
  method_options: z
    .partialRecord(z.enum(methodNames), runOptions)
    .default({})
    .describe("options of the runs of one method, such as { full: { learning_rate: 1.0e-5 } }"),
  /**
   * Options by which the runs of a method on a set differ: every one of these is computed, and nothing beside them. They come over
   * those of `run` and of the method, an adapter's settings one by one. By default each method tunes each set in one way.
   */
  variants: z.record(variantName, runOptions).optional(),
};

const grid = z.object({ kind: z.string(), ...gridOptions });

export type GridConfig = z.output<typeof grid>;

/** Options of a run that the study decides. */
const decided = [
  "model",
  "data",
  "data_split",
  "method",
  "adapter",
  "seed",
  "out",
  "apply_chat_template",
  "chat_template",
  "date",
  "device",
];

/**
 * Checks what the options of a grid say together.
 *
 * @param origin where they come from, for messages
 * @throws InputError if they contradict each other, or a run cannot have them.
 */
export function checkGrid(config: GridConfig, origin: string): void {
  if (Object.keys(config.data).length === 0) throw new InputError(`${origin}: there is no data to tune on.`);
  if (config.chat_template !== undefined && !config.apply_chat_template) {
    throw new InputError(
      `${origin}: there is a "chat_template", but "apply_chat_template" is false; set it, or leave the template out.`,
    );
  }
  const { methods, tasks, seeds } = config;
  checkNamedOnce({ methods, tasks, seeds }, origin);
  for (const data of Object.keys(config.aligned)) {
    if (!Object.hasOwn(config.data, data))
      throw new InputError(`${origin}: "aligned" names ${data}, which is no set of data.`);
  }
  const variants = Object.keys(config.variants ?? {});
  const settings = [
    ["run", config.run],
    ...Object.entries({ ...config.method_options }),
    ...Object.entries({ ...config.variants }),
  ] as const;
  checkUndecided(settings, decided, origin);
  const runs = Object.keys(config.data).flatMap((data) => variants.map((variant) => `${data}-${variant}`));
  const alike = runs.find((run, i) => runs.indexOf(run) !== i);
  if (alike !== undefined) {
    throw new InputError(
      `${origin}: two runs would be called "${alike}", by the names of their data and variant; rename one.`,
    );
  }
  for (const method of methods) {
    for (const variant of variants.length > 0 ? variants : [undefined]) {
      const options = { model: "m", data: "d", out: "o", method, ...optionsOf(method, config, variant) };
      parseRunConfig(
        options,
        `${origin}, for ${method}${variant === undefined ? "" : `, variant "${variant}"`}`,
      );
    }
  }
}

/** Makes sure that the model, the data and the tasks are there. @throws InputError naming what is not. */
export async function checkGridInputs(config: GridConfig): Promise<void> {
  const registry = loadTasks(config.task_files);
  registry.select(config.tasks);
  checkScoreNames(config, registry);
  checkData(config);
  (await openCheckpoint(await resolveModel(config.model))).close();
}

/** The options that hold an adapter's settings. */
const sections = new Set([...peftFormats.values()].map(({ section }) => section));

/**
 * The options of a method's runs: those of all runs, without those of other methods, its own, and over them a variant's. The
 * text on which runs are kept near their beginning is left out of those that are not kept.
 */
export function optionsOf(
  method: MethodName,
  { run, method_options, variants }: Pick<GridConfig, "run" | "method_options" | "variants">,
  variant?: string,
): Record<string, unknown> {
  const isForeign = (section: string) =>
    sections.has(section) && !Object.hasOwn(methodOf(method).options, section);
  const own = Object.entries(run).filter(([name]) => !isForeign(name));
  const common: Record<string, unknown> = { ...Object.fromEntries(own), ...method_options[method] };
  if (variant === undefined) return common;
  const given = variants![variant]!;
  const isTable = (value: unknown) => typeof value === "object" && value !== null;
  const merged = Object.entries(given).map(([name, value]) => [
    name,
    sections.has(name) && isTable(value) ? Object.assign({}, common[name], value) : value,
  ]);
  const { keep_text, ...options } = { ...common, ...Object.fromEntries(merged) };
  const isKept = Object.hasOwn(given, "keep_text") || (options.keep !== undefined && options.keep !== 0);
  return { ...options, ...(keep_text !== undefined && isKept && { keep_text }) };
}
