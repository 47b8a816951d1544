/** @file Every option of a tuning run, with its default: what `config.yaml` holds and `--print-config` shows. */

import { z } from "zod";
import { methodNames, methodOf, methodOptions, ownerOf } from "../../core/adapters/methods.ts";
import { InputError } from "../../core/errors.ts";
import { isQuantized, storages } from "../../core/models/linear.ts";
import type { Objective } from "../../core/objectives/objective.ts";
import {
  completeOptions,
  type ObjectiveOptions,
  objectiveNames,
  objectiveOf,
  objectiveOptions,
  ownersOf,
} from "../../core/objectives/objectives.ts";
import type { RolloutOptions } from "../../core/objectives/rollouts.ts";
import { parseOptions } from "../../core/parse-fields.ts";
import type { ChatSettings } from "../../core/tokenization/chat-template.ts";
import { isoDay } from "../../core/tokenization/strftime.ts";
import { dataOptions, trainingOptions } from "../../core/training/training-options.ts";
import { deviceNames } from "../runtime/onnx-runtime.ts";

/** What prints nothing of a conversation is no template, but most likely the name of its file. */
export const chatTemplateText = z
  .string()
  .regex(/\{[{%]/, "it must be the template itself, not the name of a file");

/** Such as "2025-01-31". */
export const day = z.iso.date("it is not a day of the form 2025-01-31");

/** The options of a run, as a person gives them. */
export const givenOptions = z.strictObject({
  /** Folder of a Hugging Face model, a GGUF file, or a Hub id. */
  model: z.string().min(1),
  /** Branch, tag or commit of a Hub model. */
  revision: z.string().default("main"),
  /** The model's id on the Hub, for those to whom the result is handed on; by default what its files say. */
  base_model_name: z
    .string()
    .regex(/^[\w.-]+\/[\w.-]+$/, "give an id such as user/name")
    .optional(),
  /** File of examples (JSONL, JSON, CSV, Parquet, text) or a Hub dataset's id. */
  data: z.string().min(1),
  /** Split of a Hub dataset. */
  data_split: z.string().default("train"),
  ...dataOptions,
  /** A Jinja template in place of the model's own, as text. The adapter keeps it. */
  chat_template: chatTemplateText.optional(),
  /** The day that chat templates print as today's; by default that of the run's start. */
  date: day.default(() => isoDay(new Date())),
  method: z.enum(methodNames).default("lora"),
  /** What is minimized (docs/objectives.md). */
  objective: z.enum(objectiveNames).default("sft"),
  ...objectiveOptions,
  /**
   * Weight of the divergence KL(model as the run begins ‖ tuned model), in nats per token, beside the objective: what the data do not
   * ask for then changes less. By default 0.
   */
  keep: z.number().min(0).default(0),
  /** File of a plain text on which "keep" is measured; by default it is on the prompts of the examples. */
  keep_text: z.string().min(1).optional(),
  /** Weight μ of μ / 2 ‖w − w_0‖² beside the objective, of what is trained and its values as the run begins (FedProx). By default 0. */
  proximal_mu: z.number().min(0).default(0),
  /**
   * Folder of an adapter to go on with, PEFT's or a run's. LoRA's options are then the adapter's own; the optimizer begins
   * anew.
   */
  adapter: z.string().min(1).optional(),
  /** How the base model's linear weights are kept; by default float32, and nf4 for qlora. */
  storage: z.enum(storages).optional(),
  /**
   * "int8" multiplies by the base's linear weights in integers, in both passes, which keeps it in int8 or nf4; inputs and gradients are
   * rounded by token.
   */
  arithmetic: z.enum(["float32", "int8"]).default("float32"),
  /** Quantize the scales of NF4 blocks as well. */
  double_quantization: z.boolean().default(true),
  /** Whether the blocks of a quantized base are read from disk when they are computed, one at a time. */
  weights_on_disk: z.boolean().default(false),
  ...methodOptions,
  /** Texts of tokens whose rows of embedding and output layer are trained; those that the tokenizer lacks become special tokens of it. */
  train_tokens: z.array(z.string().min(1)).min(1).optional(),
  ...trainingOptions,
  device: z.enum(deviceNames).default("cpu"),
  /** Prompts that the model answers at each evaluation, greedily, so that its answers can be read as they change; by default there are none. */
  sample_prompts: z.array(z.string().min(1)).min(1).optional(),
  /** Longest of these answers in tokens. */
  sample_tokens: z.int().min(1).default(64),
  /** Threads for arithmetic; by default the number of cores. */
  threads: z.int().min(1).optional(),
  /** Decoder blocks computed per program, 1 to all, or "auto": all if memory allows, since then nothing is computed twice. */
  segment_size: z.union([z.literal("auto"), z.int().min(1)]).default("auto"),
  /** Folder of the run. */
  out: z.string().min(1),
});

/** The options of all objectives. */
const optionNames = Object.keys(objectiveOptions) as (keyof ObjectiveOptions)[];

export const runConfigSchema = givenOptions.transform((config) => {
  const method = methodOf(config.method);
  const objective = objectiveOf(config.objective);
  return {
    ...config,
    ...Object.fromEntries([...Object.keys(methodOptions), ...optionNames].map((name) => [name, undefined])),
    ...method.complete(config),
    ...completeOptions(config.objective, config),
    storage:
      config.storage ??
      (config.arithmetic === "int8" && !isQuantized(method.storage) ? "int8" : method.storage),
    learning_rate: config.learning_rate ?? method.learning_rate * objective.learningRateFactor,
  };
});

/** A run's options as a person gives them: only `model`, `data` and `out` are required. */
export type RunOptions = z.input<typeof givenOptions>;
/** A run's options with every default filled in. */
export type RunConfig = z.output<typeof runConfigSchema>;

/**
 * Fills in the defaults and checks every option.
 *
 * @param origin where the options come from, for messages
 * @throws InputError naming the first option that is unknown or has a bad value, or a contradiction between options.
 */
export function parseRunConfig(options: unknown, origin: string): RunConfig {
  const config = parseOptions(runConfigSchema, options, origin);
  const problem = findContradiction(config, options as RunOptions);
  if (problem !== undefined) throw new InputError(`${origin}: ${problem}`);
  // Where objectives share an option, their ranges may differ.
  parseOptions(objectiveOf(config.objective).options, completeOptions(config.objective, config), origin);
  return config;
}

/** A run's objective, and its own options. */
export function objectiveOfRun(config: RunConfig): Objective {
  return objectiveOf(config.objective).create(completeOptions(config.objective, config));
}

/** What a run's model writes itself in each step; undefined if it learns from given texts. */
export function rolloutsOf(config: RunConfig): (RolloutOptions & { num_generations: number }) | undefined {
  return objectiveOf(config.objective).learnsFrom === "prompts"
    ? (completeOptions(config.objective, config) as RolloutOptions & { num_generations: number })
    : undefined;
}

/** In which template and on which day a run's chats are. */
export function chatSettingsOf({ chat_template: chatTemplate, date }: RunConfig): ChatSettings {
  return { chatTemplate, date };
}

/** What two options say against each other, in a sentence. */
function findContradiction(config: RunConfig, given: RunOptions): string | undefined {
  const { method, storage } = config;
  const { yields, options, findContradiction, withTokens } = methodOf(method);
  if (yields === "model" && given.adapter !== undefined) {
    return `method "${method}" trains the model's own weights, so it cannot go on with an adapter; merge the adapter first, or choose method "lora".`;
  }
  for (const name of Object.keys(methodOptions) as (keyof typeof methodOptions)[]) {
    const value = given[name];
    if (value === undefined || Object.hasOwn(options, name)) continue;
    if (yields === "model" && typeof value === "object")
      return `method "${method}" trains the model's own weights and has no adapter; leave out the options of "${name}"${listKeys(value)}.`;
    return `"${name}" is an option of method "${ownerOf(name)}", not of "${method}"; leave it out or choose that method.`;
  }
  for (const name of optionNames) {
    if (given[name] === undefined || Object.hasOwn(objectiveOf(config.objective).options.shape, name))
      continue;
    return `"${name}" is an option of the ${listNames("objective", ownersOf(name))}, not of "${config.objective}"; leave it out or choose that objective.`;
  }
  const missing = Object.entries(objectiveOf(config.objective).options.shape).find(
    ([name, option]) =>
      config[name as keyof ObjectiveOptions] === undefined && !(option instanceof z.ZodOptional),
  )?.[0];
  if (missing !== undefined) return `objective "${config.objective}" needs the option "${missing}"; give it.`;
  if (config.train_on === "all" && objectiveOf(config.objective).learnsFrom !== "texts") {
    return `objective "${config.objective}" is not learnt from all tokens, so "train_on" cannot be "all"; leave it out.`;
  }
  if (config.batch_size === 1 && objectiveOf(config.objective).learnsFrom === "unpaired") {
    return `objective "${config.objective}" compares answers with those of others in their batch; set "batch_size" to at least 2.`;
  }
  if (rolloutsOf(config)) {
    const measured = ["validation", "eval_steps", "early_stopping_patience"] as const;
    const name = measured.find((name) => given[name]);
    if (name !== undefined) {
      return `objective "${config.objective}" holds no examples out, since the model writes its own, so "${name}" is of no use; leave it out, and measure the result by \`slimtune evaluate\`.`;
    }
    if (config.overlong === "truncate") {
      return `objective "${config.objective}" has prompts, which cannot be cut; set "overlong" to drop.`;
    }
  }
  if (given.sample_prompts && config.objective === "prm") {
    return `objective "prm" teaches a model to judge, which then no longer writes, so "sample_prompts" is of no use; leave it out.`;
  }
  if (given.keep_text !== undefined && config.keep === 0) {
    return `"keep_text" is of no use while "keep" is 0; give "keep" a weight, such as 0.1, or leave it out.`;
  }
  if (given.train_tokens && !withTokens) {
    return `method "${method}" cannot train single tokens (train_tokens); choose method "lora" or "trainable_tokens".`;
  }
  if (given.train_tokens && given.adapter !== undefined) {
    return `the tokens of an adapter that a run goes on with are its own, so "train_tokens" cannot be given; leave it out.`;
  }
  const { batch_size, objective } = config;
  const learnsFromTexts = objectiveOf(objective).learnsFrom === "texts";
  const run = { method, storage, batch_size, objective, learnsFromTexts, given };
  const problem = findContradiction?.(config, run);
  if (problem !== undefined) return problem;
  if (config.chat_template !== undefined && !config.apply_chat_template) {
    return `"chat_template" is of no use while "apply_chat_template" is false; leave one of them out.`;
  }
  if (config.weights_on_disk && !isQuantized(storage)) {
    return `"weights_on_disk" needs a quantized base, storage "nf4" or "int8", not "${storage}"; choose method "qlora".`;
  }
  if (config.arithmetic === "int8" && !isQuantized(storage)) {
    return `"arithmetic" int8 multiplies by a base that is kept in int8 or nf4, not in ${storage}; leave "storage" out.`;
  }
  if (config.arithmetic === "int8" && config.device !== "cpu") {
    return `the device "${config.device}" has no products of integers; choose "arithmetic" float32, or the device "cpu".`;
  }
  if (config.weights_on_disk && config.segment_size !== "auto" && config.segment_size > 1) {
    return `"weights_on_disk" reads one block at a time, so "segment_size" cannot be ${config.segment_size}; leave one of them out.`;
  }
  return undefined;
}

function listNames(noun: string, names: readonly string[]): string {
  const quoted = names.map((name) => `"${name}"`);
  return quoted.length === 1
    ? `${noun} ${quoted[0]}`
    : `${noun}s ${quoted.slice(0, -1).join(", ")} and ${quoted.at(-1)}`;
}

/** ", such as r" for options that have one. */
function listKeys(options: object): string {
  const [first] = Object.keys(options);
  return first === undefined ? "" : `, such as ${first}`;
}
