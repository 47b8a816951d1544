/** @file Options of tuning that are the same wherever it runs, with their defaults. */

import * as z from "zod";
import type { ModelConfig } from "../architectures/architecture.ts";
import { InputError } from "../errors.ts";
import { schedulerTypes } from "./schedule.ts";

/** How rows become examples. */
export const dataOptions = {
  /** Which of a row's fields stand for which: { prompt: "my_question", completion: "my_answer" }. */
  fields: z.record(z.string(), z.string()).default({}),
  /** Which tokens are trained on: those of the completions, or all. */
  train_on: z.enum(["completion", "all"]).default("completion"),
  /** Whether conversations go through the model's chat template, where it has one; else prompt and completion stand plain. */
  apply_chat_template: z.boolean().default(true),
  /** What happens to an example longer than the context. */
  overlong: z.enum(["error", "drop", "truncate"]).default("error"),
};

/** How often and in which steps a model is trained on them. */
export const trainingOptions = {
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
  /** Highest learning rate; by default what docs/methods.md says of the method, and of the objective docs/objectives.md. */
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
  /** Share of the examples (below 1) or number of examples held out for evaluation; by default 5 %, 100 at most. */
  validation: z.number().min(0).optional(),
  /** Steps between evaluations; by default ten evaluations in a run. */
  eval_steps: z.int().min(1).optional(),
  /** Evaluations without improvement after which the run stops; by default it does not stop early. */
  early_stopping_patience: z.int().min(1).optional(),
  /** Steps between checkpoints; by default twenty checkpoints in a run. */
  save_steps: z.int().min(1).optional(),
  seed: z.int().min(0).default(42),
};

/** The options of training, with every default filled in. */
export type TrainingOptions = z.output<z.ZodObject<typeof trainingOptions>>;

/**
 * The longest example: as given, or what the model was made for, 2,048 tokens at most.
 *
 * @param model its name, for the message
 * @throws InputError if the model was made for less than is given.
 */
export function chooseContext(
  context: number | undefined,
  model: string,
  { maxPositionEmbeddings }: ModelConfig,
): number {
  if (context === undefined) return Math.min(2048, maxPositionEmbeddings);
  if (context <= maxPositionEmbeddings) return context;
  throw new InputError(
    `The context of ${context} tokens is longer than the ${maxPositionEmbeddings} that ${model} was made for; lower "context".`,
  );
}
