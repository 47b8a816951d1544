/** @file The options of a study of aptitude. */

import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { loadTasks } from "../../evaluation/tasks/registry.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { resolveModel } from "../../node/models/hub-model.ts";
import { chatTemplateText, day, parseRunConfig } from "../../node/training/run-config.ts";
import { readProblems } from "../../reasoning/problem.ts";
import { defaultSettings } from "../../reasoning/run-reasoning.ts";
import { readSourceProblems } from "../../rollouts/problem-source.ts";
import { checkNamedOnce, checkUndecided, runOptions } from "../option-checks.ts";
import { parseDecision } from "./decision.ts";
import { listModels, runOptionsOf, warmUpId } from "./models.ts";

export const aptitudeOptions = z.strictObject({
  kind: z.literal("aptitude"),
  /** Folder, .gguf file or Hub id. */
  model: z.string().min(1),
  data: z
    .string()
    .min(1)
    .describe(
      "problems with annotated solutions, or programs of their own: a task's split such as gsm8k:train, or a file or Hub id",
    ),
  tasks: z
    .array(z.string())
    .min(1)
    .optional()
    .describe(
      "tasks with written answers that the models are asked; by default that whose split the data are",
    ),
  /** YAML files of further tasks. */
  task_files: z.array(z.string()).default([]),
  /** Folder with the tasks' datasets as files, in place of the Hub. */
  data_dir: z.string().optional(),
  limit: z.int().min(1).optional().describe("only the first n problems of each task"),
  queries: z
    .int()
    .min(2)
    .default(300)
    .describe("the first n problems with a worded and a programmed solution, which are scored and tuned on"),
  anchors: z
    .int()
    .min(2)
    .default(20)
    .describe("queries, one of each cluster, with which each query is tried out"),
  aptitudes: z
    .enum(["answers", "likelihood"])
    .default("answers")
    .describe(
      "answers: the share of anchors that are answered rightly after a query's solution; likelihood: how likely the query's solution is after the anchors', which is much cheaper, and ours",
    ),
  decisions: z
    .array(z.string())
    .min(1)
    .default(["words:30", "words:50", "words:70", "one:50"])
    .describe(
      "ways to choose, of which the one that is best on held-out problems is taken: words:30 (all in words, and programs where the difference of the aptitudes is below its 30th percentile), programs:65 (the other way round, above it), one:50 (either)",
    ),
  held_out: z
    .int()
    .min(1)
    .default(100)
    .describe("problems behind the queries that decisions are compared on"),
  random_draws: z.int().min(1).default(1).describe("random choices of the same size that are tuned on"),
  warm_up: z
    .int()
    .min(0)
    .default(0)
    .describe(
      "tune the model first on n problems behind the held-out ones, each after a solved one: for models that cannot follow an example",
    ),
  max_tokens: z.int().min(1).default(defaultSettings.maxTokens).describe("the most tokens of a solution"),
  instruction: z
    .string()
    .default("")
    .describe("stands under each question, in tuning and in asking, whatever the solution is"),
  bits: z
    .literal([4, 8])
    .optional()
    .describe("write with weights of so many bits: faster, not the same model"),
  batch_size: z.int().min(1).default(16).describe("texts written at a time"),
  seed: z.int().min(0).default(0).describe("of clusters and random choices"),
  /** A Jinja template in place of the model's own, as text. */
  chat_template: chatTemplateText.optional(),
  /** The day that chat templates print as today's; by default that of the study's start. */
  date: day.optional(),
  /** Options of all runs, by the names of a run's config.yaml. */
  run: runOptions.default({}),
  runs: z
    .record(z.string(), runOptions)
    .default({})
    .describe("options of single runs over these, such as { both: { num_train_epochs: 1 } }"),
});

export type AptitudeConfig = z.output<typeof aptitudeOptions>;

/** Options of a run that the study decides. */
const decided = ["model", "data", "adapter", "objective", "out", "chat_template", "date", "device"];

/**
 * Checks what the options say together.
 *
 * @param origin where they come from, for messages
 * @throws InputError if they contradict each other, or a run cannot have them.
 */
export function checkAptitude(config: AptitudeConfig, origin: string): void {
  const { queries, anchors, decisions, run, runs } = config;
  if (anchors > queries) {
    throw new InputError(
      `${origin}: ${anchors} anchors cannot be chosen among ${queries} queries; take more queries, or fewer anchors.`,
    );
  }
  if (tasksOf(config).length === 0) {
    throw new InputError(`${origin}: no task is named, and ${config.data} is no split of one; name "tasks".`);
  }
  checkNamedOnce({ tasks: tasksOf(config), decisions }, origin);
  for (const decision of decisions) parseDecision(decision, origin);
  const models = [warmUpId, ...listModels(config).map(({ id }) => id)];
  const unknown = Object.keys(runs).find((name) => !models.includes(name));
  if (unknown !== undefined) {
    throw new InputError(`${origin}: "runs" names ${unknown}, which is none of ${models.join(", ")}.`);
  }
  checkUndecided(Object.entries({ run, ...runs }), decided, origin);
  for (const id of models) {
    const options = { model: "m", data: "d", out: "o", ...runOptionsOf(config, id) };
    parseRunConfig(options, `${origin}, for ${id}`);
  }
}

/** Makes sure that the model, the data and the tasks are there. @throws InputError naming what is not. */
export async function checkAptitudeInputs(config: AptitudeConfig): Promise<void> {
  const { data, limit, data_dir: dataDir } = config;
  for (const entry of loadTasks(config.task_files).select(tasksOf(config)).tasks) {
    await readProblems(entry, { limit, dataDir });
  }
  await readSourceProblems({ data, ...(dataDir !== undefined && { dataDir }) });
  (await openCheckpoint(await resolveModel(config.model))).close();
}

/** The names of the tasks that models are asked; none if none is named and the data are a file. */
export function tasksOf({ tasks, data }: Pick<AptitudeConfig, "tasks" | "data">): readonly string[] {
  if (tasks) return tasks;
  const [task] = data.split(":");
  return loadTasks().tasks.some(({ name }) => name === task) ? [task!] : [];
}
