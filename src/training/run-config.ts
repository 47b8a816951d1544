/** @file Every option of a tuning run, with its default: what `config.yaml` holds and `--print-config` shows. */

import { z } from "zod";
import { loraConfigSchema } from "../adapters/lora.ts";
import { InputError } from "../errors.ts";
import { deviceNames } from "../runtime/onnx-runtime.ts";
import { schedulerTypes } from "./schedule.ts";

export const methodNames = ["lora", "qlora", "full"] as const;
export type MethodName = (typeof methodNames)[number];

/** Learning rates that suit each method: adapters want about ten times that of full tuning. */
const defaultLearningRate: Readonly<Record<MethodName, number>> = { lora: 2e-4, qlora: 2e-4, full: 2e-5 };

const given = z.strictObject({
  /** Folder of a Hugging Face model, a GGUF file, or a Hub id. */
  model: z.string().min(1),
  /** Branch, tag or commit of a Hub model. */
  revision: z.string().default("main"),
  /** File of examples (JSONL, JSON, CSV, Parquet, text) or a Hub dataset's id. */
  data: z.string().min(1),
  /** Split of a Hub dataset. */
  data_split: z.string().default("train"),
  /** Which of a row's fields stand for which: { prompt: "my_question", completion: "my_answer" }. */
  fields: z.record(z.string(), z.string()).default({}),
  /** Which tokens are trained on: those of the completions, or all. */
  train_on: z.enum(["completion", "all"]).default("completion"),
  /** Whether conversations go through the model's chat template, where it has one; else prompt and completion stand plain. */
  apply_chat_template: z.boolean().default(true),
  /** What happens to an example longer than the context. */
  overlong: z.enum(["error", "drop", "truncate"]).default("error"),
  method: z.enum(methodNames).default("lora"),
  /** How the base model's linear weights are kept; by default float32, and nf4 for qlora. */
  storage: z.enum(["float32", "float16", "nf4"]).optional(),
  /** Quantize the scales of NF4 blocks as well. */
  double_quantization: z.boolean().default(true),
  lora: loraConfigSchema.default(() => loraConfigSchema.parse({})),
  /** Longest example in tokens; by default what the model was made for, 2,048 at most. */
  context: z.int().min(8).optional(),
  /** Tokens computed at a time. Results do not depend on it; memory does. */
  micro_batch_tokens: z.int().min(8).default(512),
  /** Several short examples in one sequence; they do not see each other. Results do not depend on it. */
  packing: z.boolean().default(true),
  /** Examples per optimizer step. */
  batch_size: z.int().min(1).default(8),
  num_train_epochs: z.number().positive().default(1),
  /** Optimizer steps; overrides num_train_epochs. */
  max_steps: z.int().min(1).optional(),
  learning_rate: z.number().positive().optional(),
  lr_scheduler_type: z.enum(schedulerTypes).default("cosine"),
  /** Share of the steps during which the learning rate rises. */
  warmup_ratio: z.number().min(0).max(1).default(0.03),
  weight_decay: z.number().min(0).default(0),
  adam_beta1: z.number().min(0).lt(1).default(0.9),
  adam_beta2: z.number().min(0).lt(1).default(0.999),
  adam_epsilon: z.number().positive().default(1e-8),
  /** Gradients are scaled down to this norm at most. */
  max_grad_norm: z.number().positive().default(1),
  /** Share of the examples (below 1) or number of examples that are held out for evaluation. */
  validation: z.number().min(0).default(0.05),
  /** Steps between evaluations; by default ten evaluations in a run. */
  eval_steps: z.int().min(1).optional(),
  /** Evaluations without improvement after which the run stops; by default it does not stop early. */
  early_stopping_patience: z.int().min(1).optional(),
  /** Steps between checkpoints; by default twenty checkpoints in a run. */
  save_steps: z.int().min(1).optional(),
  seed: z.int().min(0).default(42),
  device: z.enum(deviceNames).default("cpu"),
  /** Threads for arithmetic; by default the number of cores. */
  threads: z.int().min(1).optional(),
  /** Decoder blocks computed per program, 1 to all, or "auto": all if memory allows, since then nothing is computed twice. */
  segment_size: z.union([z.literal("auto"), z.int().min(1)]).default("auto"),
  /** Folder of the run. */
  out: z.string().min(1),
});

export const runConfigSchema = given.transform((config) => ({
  ...config,
  learning_rate: config.learning_rate ?? defaultLearningRate[config.method],
  storage: config.storage ?? (config.method === "qlora" ? ("nf4" as const) : ("float32" as const)),
}));

/** A run's options as a person gives them: only `model`, `data` and `out` are required. */
export type RunOptions = z.input<typeof given>;
/** A run's options with every default filled in. */
export type RunConfig = z.output<typeof runConfigSchema>;

/**
 * Fills in the defaults and checks every option.
 *
 * @param origin where the options come from, for messages
 * @throws InputError naming the first option that is unknown or has a bad value, or a contradiction between options.
 */
export function parseRunConfig(options: unknown, origin: string): RunConfig {
  const parsed = runConfigSchema.safeParse(options);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    if (issue.code === "unrecognized_keys") {
      const known = Object.keys(given.shape).join(", ");
      throw new InputError(`${origin}: there is no option "${issue.keys[0]}"; the options are ${known}.`);
    }
    const name = issue.path.join(".");
    const missing = issue.code === "invalid_type" && issue.input === undefined;
    throw new InputError(
      missing
        ? `${origin}: the option "${name}" is missing.`
        : `${origin}: the option "${name}" is bad: ${issue.message}.`,
    );
  }
  const config = parsed.data;
  if (config.method === "full" && config.storage !== "float32") {
    throw new InputError(
      `${origin}: full tuning needs storage "float32", not "${config.storage}"; use method qlora for a quantized base.`,
    );
  }
  return config;
}
