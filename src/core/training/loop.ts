/** @file The training loop: optimizer steps over micro-batches, evaluations, checkpoints and early stop. */

import type { Progress } from "../../node/training/checkpoint.ts";
import type { EvaluationMetrics, StepMetrics } from "../../node/training/metrics-log.ts";
import type { OptimizerStep } from "../adapters/method.ts";
import { type Parameters, zerosLike } from "../adapters/parameters.ts";
import type { Batch } from "../data/batch.ts";
import type { Engine } from "../engine/engine.ts";
import { InputError } from "../errors.ts";
import { type AdamWConfig, clipGradients, gradientNorm, type Moments, updateAdamW } from "./adamw.ts";
import { type SchedulerType, scheduleFactor } from "./schedule.ts";

/** What the loop needs to know of a run. */
export interface LoopPlan {
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
  /** The micro-batches of an optimizer step, counted from 0: a function of the step alone. */
  microBatches(step: number): readonly Batch[];
  /** The held-out examples; none if there is no evaluation. */
  readonly evaluation: readonly Batch[];
  readonly evalSteps: number;
  readonly saveSteps: number;
  readonly earlyStoppingPatience: number | undefined;
  readonly optimizer: AdamWConfig;
  readonly learningRate: number;
  /** Factor of the learning rate of the trained tensor `name`. Default: 1 for all. */
  readonly learningRateFactor?: ((name: string) => number) | undefined;
  /** Default: AdamW's. */
  readonly optimizerStep?: OptimizerStep | undefined;
  readonly scheduler: SchedulerType;
  readonly warmupSteps: number;
  readonly maxGradNorm: number;
  readonly seed: number;
}

/** What is trained, and how far it has come. */
export interface TrainingState {
  readonly parameters: Parameters;
  readonly moments: Moments;
  progress: Progress;
}

/** What happens on the way. */
export interface LoopEvents {
  onStep(metrics: StepMetrics): void;
  /** Called before each of the held-out batches. */
  onEvaluating?(done: number, batches: number): void;
  onEvaluation(metrics: EvaluationMetrics): void;
  /** Saves the state; it is whole between two steps. */
  save(state: TrainingState): Promise<void>;
  /** When it is aborted, and the engine throws its reason, the run is interrupted. */
  readonly signal?: AbortSignal;
}

export type LoopOutcome = "finished" | "stopped early" | "interrupted";

/**
 * Trains until the last step, an early stop or an interruption. The state is saved before it returns: that after the last
 * whole step, whatever an interruption cut off.
 *
 * @throws InputError if the loss or the gradients are not finite; the last checkpoint is then the state before.
 */
export async function runTrainingLoop(
  engine: Engine,
  plan: LoopPlan,
  state: TrainingState,
  events: LoopEvents,
): Promise<LoopOutcome> {
  const gradients = zerosLike(state.parameters);
  try {
    for (let changed = false; ; changed = true) {
      const { step } = state.progress;
      if (isEvaluationDue(plan, state.progress)) {
        await evaluateHeldOut(engine, plan, state, events);
        changed = step > 0;
      }
      const { best, evaluations_without_improvement: worse } = state.progress;
      const isLast = step === plan.totalSteps;
      const stopsEarly = plan.earlyStoppingPatience !== undefined && worse >= plan.earlyStoppingPatience;
      if (changed && (step % plan.saveSteps === 0 || isLast || stopsEarly || best?.step === step))
        await events.save(state);
      if (stopsEarly) return "stopped early";
      if (isLast) return "finished";
      await trainStep(engine, plan, state, gradients, events);
    }
  } catch (error) {
    if (!events.signal?.aborted || error !== events.signal.reason) throw error;
    await events.save(state);
    return "interrupted";
  }
}

function isEvaluationDue(plan: LoopPlan, { step, evaluated }: Progress): boolean {
  return (
    plan.evaluation.length > 0 && !evaluated && (step % plan.evalSteps === 0 || step === plan.totalSteps)
  );
}

async function trainStep(
  engine: Engine,
  plan: LoopPlan,
  state: TrainingState,
  gradients: Parameters,
  events: LoopEvents,
): Promise<void> {
  const started = performance.now();
  const { progress, parameters, moments } = state;
  const microBatches = plan.microBatches(progress.step);
  const labels = microBatches.reduce((sum, batch) => sum + batch.labels.length, 0);
  for (const { data } of gradients.values()) data.fill(0);
  let loss = 0;
  for (const [microBatch, batch] of microBatches.entries()) {
    loss += await engine.accumulate(batch, parameters, gradients, {
      // Normalized over the whole step, so that the result does not depend on how it is divided.
      scale: 1 / labels,
      dropout: { seed: plan.seed, step: progress.step, microBatch },
    });
  }
  loss /= labels;
  const norm = gradientNorm(gradients);
  const number = progress.step + 1;
  if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
    throw new InputError(
      `At step ${number} the ${Number.isFinite(loss) ? "gradients are" : "loss is"} not finite; the last checkpoint is from before; lower learning_rate (${plan.learningRate}) or max_grad_norm (${plan.maxGradNorm}) and start again.`,
    );
  }
  clipGradients(gradients, norm, plan.maxGradNorm);
  const learningRate =
    plan.learningRate * scheduleFactor(plan.scheduler, progress.step, plan.totalSteps, plan.warmupSteps);
  const learningRateOf = (name: string) => learningRate * (plan.learningRateFactor?.(name) ?? 1);
  const { optimizer, optimizerStep } = plan;
  const adamW = (settings: Partial<AdamWConfig> = {}) =>
    updateAdamW(parameters, gradients, moments, number, learningRateOf, { ...optimizer, ...settings });
  if (optimizerStep) optimizerStep({ parameters, gradients, step: number, learningRateOf, optimizer }, adamW);
  else adamW();

  const tokens = microBatches.reduce((sum, batch) => sum + countTokens(batch), 0);
  const seconds = (performance.now() - started) / 1000;
  state.progress = {
    ...progress,
    step: number,
    evaluated: false,
    trained_tokens: progress.trained_tokens + labels,
    tokens: progress.tokens + tokens,
    samples: progress.samples + microBatches.reduce((sum, batch) => sum + countExamples(batch), 0),
    seconds: progress.seconds + seconds,
  };
  events.onStep({
    step: number,
    loss,
    learning_rate: learningRate,
    grad_norm: norm,
    epoch: number / plan.stepsPerEpoch,
    trained_tokens: labels,
    tokens,
    seconds,
    peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
  });
}

function countTokens({ segmentIds }: Batch): number {
  return segmentIds.reduce((count, segment) => count + (segment === 0 ? 0 : 1), 0);
}

function countExamples({ segmentIds, positionIds }: Batch): number {
  return segmentIds.reduce((count, segment, i) => count + (segment !== 0 && positionIds[i] === 0 ? 1 : 0), 0);
}

async function evaluateHeldOut(
  engine: Engine,
  plan: LoopPlan,
  state: TrainingState,
  events: LoopEvents,
): Promise<void> {
  const started = performance.now();
  let sum = 0;
  let labels = 0;
  for (const [done, batch] of plan.evaluation.entries()) {
    events.onEvaluating?.(done, plan.evaluation.length);
    sum += await engine.evaluate(batch, state.parameters);
    labels += batch.labels.length;
  }
  const { progress } = state;
  const evalLoss = sum / labels;
  // The untrained model is the baseline, not a candidate.
  const better = progress.step > 0 && (progress.best === null || evalLoss < progress.best.eval_loss);
  state.progress = {
    ...progress,
    evaluated: true,
    best: better ? { step: progress.step, eval_loss: evalLoss } : progress.best,
    evaluations_without_improvement:
      better || progress.step === 0 ? 0 : progress.evaluations_without_improvement + 1,
  };
  events.onEvaluation({
    step: progress.step,
    eval_loss: evalLoss,
    eval_tokens: labels,
    seconds: (performance.now() - started) / 1000,
  });
}
