/** @file From options to the training loop's plan. */

import { type MethodName, type MethodOptions, methodOf } from "../adapters/methods.ts";
import type { BatchOptions } from "../data/batch.ts";
import type { Objective } from "../objectives/objective.ts";
import type { LoopPlan } from "./loop.ts";
import type { ReferencedExample } from "./scored-examples.ts";
import type { StepPlan } from "./step-plan.ts";
import type { TrainingOptions } from "./training-options.ts";

/** What of the options decides on the loop. */
type LoopOptions = Omit<TrainingOptions, "learning_rate"> &
  MethodOptions & { readonly method: MethodName; readonly learning_rate: number };

/** The loop's plan: the same for the same options, steps and examples. */
export function planTraining(
  config: LoopOptions,
  objective: Objective,
  steps: StepPlan,
  examples: readonly ReferencedExample[],
): LoopPlan {
  const examplesAt = (indices: readonly number[]) => indices.map((index) => examples[index]!);
  const { sampler, totalSteps } = steps;
  const { causalWeight, learningRateFactor, optimizerStep } = methodOf(config.method);
  return {
    totalSteps,
    stepsPerEpoch: sampler.stepsPerEpoch,
    objective,
    causalWeight: causalWeight?.(config),
    examplesOf: (step) => examplesAt(sampler.examplesOf(step).map((index) => steps.training[index]!)),
    heldOut: examplesAt(steps.heldOut),
    batching: batchingOf(config),
    evalSteps: steps.evalSteps,
    saveSteps: config.save_steps ?? Math.max(1, Math.ceil(totalSteps / 20)),
    earlyStoppingPatience: config.early_stopping_patience,
    optimizer: {
      beta1: config.adam_beta1,
      beta2: config.adam_beta2,
      epsilon: config.adam_epsilon,
      weightDecay: config.weight_decay,
    },
    learningRate: config.learning_rate,
    learningRateFactor: learningRateFactor?.(config),
    optimizerStep: optimizerStep?.(config),
    scheduler: config.lr_scheduler_type,
    warmupSteps: Math.ceil(config.warmup_ratio * totalSteps),
    maxGradNorm: config.max_grad_norm,
    seed: config.seed,
  };
}

export function batchingOf({
  micro_batch_tokens,
  packing,
}: Pick<TrainingOptions, "micro_batch_tokens" | "packing">): BatchOptions {
  return { microBatchTokens: micro_batch_tokens, packing };
}
