/** @file The options of a study of reasoning. */

import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { loadTasks } from "../../evaluation/tasks/registry.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { resolveModel } from "../../node/models/hub-model.ts";
import { chatTemplateText, day, parseRunConfig } from "../../node/training/run-config.ts";
import { readProblems } from "../../reasoning/problem.ts";
import { defaultSettings } from "../../reasoning/run-reasoning.ts";
import { parseStrategy } from "../../reasoning/strategies/strategies.ts";
import { type ProblemSource, readSourceProblems } from "../../rollouts/problem-source.ts";
import { checkNamedOnce, checkUndecided, runOptions } from "../option-checks.ts";
import { baseId } from "../study-folder.ts";
import { checkTraining, listModels, runOptionsOf } from "./models.ts";

const strategyNames = z.array(z.string()).min(1);

export const reasoningOptions = z.strictObject({
  kind: z.literal("reasoning"),
  /** Folder, .gguf file or Hub id. */
  model: z.string().min(1),
  data: z
    .string()
    .min(1)
    .describe("problems with worked solutions: a task's split such as gsm8k:train, or a file or Hub id"),
  /** Tasks with written answers. */
  tasks: z.array(z.string()).min(1),
  /** YAML files of further tasks. */
  task_files: z.array(z.string()).default([]),
  /** Folder with the tasks' datasets as files, in place of the Hub. */
  data_dir: z.string().optional(),
  limit: z.int().min(1).optional().describe("only the first n problems of each task"),
  strategies: strategyNames
    .default([
      "cot",
      "cut:32",
      "cut:64",
      "cut:128",
      "cod",
      "ccot",
      "budget:64",
      "tale",
      "sc:8",
      "sc-early:8",
      "ac:8",
      "random-early:8:4",
      "bon:8",
    ])
    .describe("strategies by which each model is asked; the first is what models are compared by"),
  strategies_of: z
    .record(z.string(), strategyNames)
    .default({})
    .describe("strategies of single models in place of these, such as { programs: [tir] }"),
  training: z
    .array(z.string())
    .default(["sft", "shortest-correct", "correct:1", "grpo"])
    .describe(
      "models to tune: sft (worked solutions), programs, a rule of select, grpo or rloo; all but the first two begin with sft",
    ),
  /** Only the first problems of `data`. */
  data_limit: z.int().min(1).optional().describe("only the first n problems of the data"),
  sampled_data: z
    .string()
    .min(1)
    .optional()
    .describe("problems whose solutions are sampled, and rewarded, in place of the data"),
  sampled_problems: z.int().min(1).optional().describe("only the first n problems of these"),
  samples: z.int().min(2).default(8).describe("solutions of each problem that are sampled for the rules"),
  max_tokens: z
    .int()
    .min(1)
    .default(defaultSettings.maxTokens)
    .describe("the most tokens of a solution, asked or sampled"),
  temperature: z
    .number()
    .positive()
    .default(defaultSettings.temperature)
    .describe("of samples that strategies draw"),
  top_p: z.number().positive().max(1).default(defaultSettings.topP).describe("of the same"),
  instruction: z
    .string()
    .default(defaultSettings.instruction)
    .describe("stands under each question, in tuning and in asking; programs go without it"),
  examples: z
    .int()
    .min(0)
    .default(defaultSettings.examples)
    .describe("solved examples before each question, up to 4"),
  answer_cue: z
    .string()
    .default(defaultSettings.answerCue)
    .describe("asks for the answer where thoughts are cut"),
  bits: z
    .literal([4, 8])
    .optional()
    .describe("write with weights of so many bits: faster, not the same model"),
  batch_size: z.int().min(1).default(16).describe("texts written at a time"),
  seed: z.int().min(0).default(0).describe("of the draws"),
  /** A Jinja template in place of the model's own, as text. */
  chat_template: chatTemplateText.optional(),
  /** The day that chat templates print as today's; by default that of the study's start. */
  date: day.optional(),
  /** Options of all runs, by the names of a run's config.yaml. */
  run: runOptions.default({}),
  runs: z
    .record(z.string(), runOptions)
    .default({})
    .describe("options of single runs over these, such as { grpo: { max_steps: 50 } }"),
});

export type ReasoningConfig = z.output<typeof reasoningOptions>;

/** Options of a run that the study decides. */
const decided = ["model", "data", "adapter", "objective", "out", "chat_template", "date", "device"];

/**
 * Checks what the options say together.
 *
 * @param origin where they come from, for messages
 * @throws InputError if they contradict each other, or a run cannot have them.
 */
export function checkReasoning(config: ReasoningConfig, origin: string): void {
  const { training, strategies, strategies_of, run, runs } = config;
  checkNamedOnce({ tasks: config.tasks, training }, origin);
  for (const name of training) checkTraining(name, origin);
  for (const [setter, names] of Object.entries({ strategies_of, runs })) {
    const known = setter === "runs" ? training : [baseId, ...training];
    const unknown = Object.keys(names).find((name) => !known.includes(name));
    if (unknown !== undefined)
      throw new InputError(`${origin}: "${setter}" names ${unknown}, which is none of ${known.join(", ")}.`);
  }
  for (const name of [...strategies, ...Object.values(strategies_of).flat()]) parseStrategy(name, {});
  checkUndecided(Object.entries({ run, ...runs }), decided, origin);
  for (const model of listModels(config)) {
    const options = { model: "m", data: "d", out: "o", ...runOptionsOf(config, model) };
    parseRunConfig(options, `${origin}, for ${model.name}`);
  }
}

/** Makes sure that the model, the data and the tasks are there. @throws InputError naming what is not. */
export async function checkReasoningInputs(config: ReasoningConfig): Promise<void> {
  const { limit, data_dir: dataDir } = config;
  for (const entry of loadTasks(config.task_files).select(config.tasks).tasks) {
    await readProblems(entry, { limit, dataDir });
  }
  for (const source of [solvedProblems(config), sampledProblems(config)]) await readSourceProblems(source);
  (await openCheckpoint(await resolveModel(config.model))).close();
}

/** The problems with worked solutions. */
export function solvedProblems({ data, data_limit, data_dir }: ReasoningConfig): ProblemSource {
  return sourceOf(data, data_limit, data_dir);
}

/** Those whose solutions are sampled, and rewarded. */
export function sampledProblems(config: ReasoningConfig): ProblemSource {
  const { sampled_data, sampled_problems, data_dir } = config;
  if (sampled_data !== undefined) return sourceOf(sampled_data, sampled_problems, data_dir);
  return sourceOf(config.data, sampled_problems ?? config.data_limit, data_dir);
}

function sourceOf(data: string, limit: number | undefined, dataDir: string | undefined): ProblemSource {
  return { data, ...(limit !== undefined && { limit }), ...(dataDir !== undefined && { dataDir }) };
}
