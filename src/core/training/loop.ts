/** @file The training loop: optimizer steps over micro-batches, evaluations, checkpoints and early stop. */

import type { OptimizerStep } from "../adapters/method.ts";
import type { Parameters } from "../adapters/parameters.ts";
import type { MicroBatch } from "../data/batch.ts";
import type { Engine } from "../engine/engine.ts";
import { InputError } from "../errors.ts";
import type { AdamWConfig, Moments } from "./adamw.ts";
import { createArrayOptimizer, type OpenOptimizer, type Optimizer } from "./optimizer.ts";
import { type SchedulerType, scheduleFactor } from "./schedule.ts";
import {
  accumulateLoss,
  evaluateLoss,
  type LossPlan,
  type LossValue,
  type WrittenExamples,
} from "./step-loss.ts";

/** What the loop needs to know of a run. */
export interface LoopPlan extends LossPlan {
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
  readonly evalSteps: number;
  readonly saveSteps: number;
  readonly earlyStoppingPatience: number | undefined;
  readonly optimizer: AdamWConfig;
  readonly learningRate: number;
  /** Factor of the learning rate of the trained tensor `name`. Default: 1 for all. */
  readonly learningRateFactor?: ((name: string) => number) | undefined;
  /** Adds to the gradients those of a term of the parameters alone, before they are clipped. Default: there is none. */
  readonly penalty?: ((parameters: Parameters, gradients: Parameters) => void) | undefined;
  /** Default: AdamW's. */
  readonly optimizerStep?: OptimizerStep | undefined;
  /**
   * Opens AdamW where the engine computes, for plans without an `optimizerStep` and devices with memory of their own: `openDeviceOptimizer`.
   * Default: it is computed in JavaScript.
   */
  readonly openOptimizer?: OpenOptimizer | undefined;
  readonly scheduler: SchedulerType;
  readonly warmupSteps: number;
  readonly maxGradNorm: number;
}

/** One optimizer step. */
export interface StepMetrics {
  readonly step: number;
  /** The objective's: of supervised tuning the mean negative log-likelihood of the step's trained tokens, in nats. */
  readonly loss: number;
  readonly learning_rate: number;
  /** Norm of the gradients before clipping. */
  readonly grad_norm: number;
  readonly epoch: number;
  /** Tokens that were trained on, and tokens that passed through the model, padding excluded. */
  readonly trained_tokens: number;
  readonly tokens: number;
  /** Wall time of the step. */
  readonly seconds: number;
  /** What the objective says beside its loss, such as "rewards/margins"; undefined if nothing. */
  readonly metrics?: Readonly<Record<string, number>>;
}

/** One evaluation on the held-out examples, after `step` updates. */
export interface EvaluationMetrics {
  readonly step: number;
  readonly eval_loss: number;
  readonly eval_tokens: number;
  readonly seconds: number;
  /** As those of a step. */
  readonly metrics?: Readonly<Record<string, number>>;
}

/** How far a run has come. Everything else that a step needs follows from the plan and the step's number. */
export interface Progress {
  /** Optimizer steps done. */
  readonly step: number;
  /** Whether the evaluation after this step, where one is due, is done: an interruption may have cut it off. */
  readonly evaluated: boolean;
  readonly trained_tokens: number;
  readonly tokens: number;
  /** Texts that were trained on. */
  readonly samples: number;
  /** Wall time of the steps so far. */
  readonly seconds: number;
  /** The best evaluation so far. */
  readonly best: { readonly step: number; readonly eval_loss: number } | null;
  /** Evaluations since the best one. */
  readonly evaluations_without_improvement: number;
}

export const initialProgress: Progress = {
  step: 0,
  evaluated: false,
  trained_tokens: 0,
  tokens: 0,
  samples: 0,
  seconds: 0,
  best: null,
  evaluations_without_improvement: 0,
};

/**
 * What is trained, and how far it has come; the caller may keep more of a run's progress there. While the loop runs on a device with memory
 * of its own, tensors and moments are up to date whenever they are saved.
 */
export interface TrainingState<P extends Progress = Progress> {
  readonly parameters: Parameters;
  readonly moments: Moments;
  progress: P;
}

/** What happens on the way. */
export interface LoopEvents<P extends Progress = Progress> {
  onStep(metrics: StepMetrics): void;
  /** Called before each of the held-out batches. */
  onEvaluating?(done: number, batches: number): void;
  onEvaluation(metrics: EvaluationMetrics): void;
  /**
   * Called before each evaluation with its step, the tensors up to date; where nothing is held out, before the first step and after the last.
   */
  sample?(step: number): Promise<void>;
  /** Saves the state; it is whole between two steps. */
  save(state: TrainingState<P>): Promise<void>;
  /** When it is aborted, and the engine throws its reason, the run is interrupted. */
  readonly signal?: AbortSignal;
}

export type LoopOutcome = "finished" | "stopped early" | "interrupted";

/**
 * Trains until the last step, an early stop or an interruption. The state is saved before it returns: that after the last
 * whole step, whatever an interruption cut off.
 *
 * @throws InputError if the loss or the gradients are not finite; the last checkpoint is then the state before. What the plan throws in
 *   place of a step's examples, after the state is saved.
 *
 * @example
 * const { openDevice, openModel } = await import("slimtune");
 * const { config, weights, tokenizer } = await openModel("fixtures/embedded-model");
 * const ids = Int32Array.from(encodeText(tokenizer, "Once there was a cat."));
 * const example = { ids, trained: new Uint8Array(ids.length).fill(1) };
 * const engine = createEngine(openDevice("cpu"), config, weights, freeze(1, config), { segmentSize: 1 });
 * const parameters = await initializeParameters(config, freeze(1, config), weights, 0);
 * const plan = {
 *   totalSteps: 10,
 *   stepsPerEpoch: 1,
 *   objective: sft,
 *   examplesOf: () => [{ texts: [example] }],
 *   heldOut: [],
 *   batching: { microBatchTokens: 512, packing: false },
 *   evalSteps: 1,
 *   saveSteps: 10,
 *   earlyStoppingPatience: undefined,
 *   optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
 *   learningRate: 1e-3,
 *   scheduler: "cosine",
 *   warmupSteps: 1,
 *   maxGradNorm: 1,
 *   seed: 0,
 * } as const;
 * const state = { parameters, moments: createMoments(parameters), progress: initialProgress };
 * await runTrainingLoop(engine, plan, state, {
 *   onStep: ({ step, loss }) => console.log(step, loss),
 *   onEvaluation: console.log,
 *   save: async () => {},
 * });
 */
export async function runTrainingLoop<P extends Progress>(
  engine: Engine,
  plan: LoopPlan,
  state: TrainingState<P>,
  events: LoopEvents<P>,
): Promise<LoopOutcome> {
  const { optimizerStep, penalty, openOptimizer, learningRateFactor = () => 1 } = plan;
  // A method's own step is taken in JavaScript, and so is one with a penalty.
  const optimizer =
    !optimizerStep && !penalty && openOptimizer && engine.device?.operations
      ? await openOptimizer(engine.device, state, learningRateFactor)
      : createArrayOptimizer(state, { optimizerStep, penalty });
  const save = async () => {
    await optimizer.save?.();
    await events.save(state);
  };
  try {
    for (let changed = false; ; changed = true) {
      const { step } = state.progress;
      if (isEvaluationDue(plan, state.progress, events)) {
        if (events.sample) {
          await optimizer.save?.();
          await events.sample(step);
        }
        if (plan.heldOut.length > 0) await evaluateHeldOut(engine, plan, state, optimizer, events);
        else state.progress = { ...state.progress, evaluated: true };
        changed = step > 0;
      }
      const { best, evaluations_without_improvement: worse } = state.progress;
      const isLast = step === plan.totalSteps;
      const stopsEarly = plan.earlyStoppingPatience !== undefined && worse >= plan.earlyStoppingPatience;
      if (changed && (step % plan.saveSteps === 0 || isLast || stopsEarly || best?.step === step))
        await save();
      if (stopsEarly) return "stopped early";
      if (isLast) return "finished";
      await trainStep(engine, plan, state, optimizer, events);
    }
  } catch (error) {
    if (!events.signal?.aborted || error !== events.signal.reason) throw error;
    await save();
    return "interrupted";
  } finally {
    await optimizer.release?.();
  }
}

function isEvaluationDue<P extends Progress>(
  { heldOut, evalSteps, totalSteps }: LoopPlan,
  { step, evaluated }: Progress,
  { sample }: LoopEvents<P>,
): boolean {
  if (evaluated) return false;
  if (heldOut.length === 0) return sample !== undefined && (step === 0 || step === totalSteps);
  return step % evalSteps === 0 || step === totalSteps;
}

async function trainStep<P extends Progress>(
  engine: Engine,
  plan: LoopPlan,
  state: TrainingState<P>,
  optimizer: Optimizer,
  events: LoopEvents<P>,
): Promise<void> {
  const started = performance.now();
  const { progress } = state;
  optimizer.clear();
  if (plan.readsState) await optimizer.save?.();
  const { examples, metrics } = await drawExamples(plan, state, events);
  const { value, batches } = await accumulateLoss(
    engine,
    plan,
    progress.step,
    examples,
    optimizer.parameters,
    optimizer.gradients,
  );
  const { loss } = value;
  const norm = await optimizer.gradientNorm();
  const number = progress.step + 1;
  if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
    throw new InputError(
      `At step ${number} the ${Number.isFinite(loss) ? "gradients are" : "loss is"} not finite; the last checkpoint is from before; lower learning_rate (${plan.learningRate}) or max_grad_norm (${plan.maxGradNorm}) and start again.`,
    );
  }
  const learningRate =
    plan.learningRate * scheduleFactor(plan.scheduler, progress.step, plan.totalSteps, plan.warmupSteps);
  const learningRateOf = (name: string) => learningRate * (plan.learningRateFactor?.(name) ?? 1);
  const { maxGradNorm, optimizer: config } = plan;
  await optimizer.update(norm, { step: number, learningRateOf, maxGradNorm, config });

  const tokens = batches.reduce((sum, batch) => sum + countTokens(batch), 0);
  const labels = countLabels(batches);
  const seconds = (performance.now() - started) / 1000;
  state.progress = {
    ...progress,
    step: number,
    evaluated: false,
    trained_tokens: progress.trained_tokens + labels,
    tokens: progress.tokens + tokens,
    samples: progress.samples + batches.reduce((sum, batch) => sum + countTexts(batch), 0),
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
    ...withMetrics({ ...value, metrics: { ...metrics, ...value.metrics } }),
  });
}

/** The examples of the next step. Where they cannot be made, the state is saved first: what has failed may be corrected, and the run gone on with. */
async function drawExamples<P extends Progress>(
  plan: LoopPlan,
  state: TrainingState<P>,
  events: LoopEvents<P>,
): Promise<WrittenExamples> {
  const given = plan.examplesOf(state.progress.step);
  if (!(given instanceof Promise)) return { examples: given, metrics: {} };
  try {
    return await given;
  } catch (error) {
    if (!events.signal?.aborted) await events.save(state);
    throw error;
  }
}

function withMetrics({ metrics }: LossValue): Pick<StepMetrics, "metrics"> {
  return Object.keys(metrics).length > 0 ? { metrics } : {};
}

function countLabels(batches: readonly MicroBatch[]): number {
  return batches.reduce((sum, { labels }) => sum + labels.length, 0);
}

function countTokens({ segmentIds }: MicroBatch): number {
  return segmentIds.reduce((count, segment) => count + (segment === 0 ? 0 : 1), 0);
}

function countTexts({ segmentIds, positionIds }: MicroBatch): number {
  return segmentIds.reduce((count, segment, i) => count + (segment !== 0 && positionIds[i] === 0 ? 1 : 0), 0);
}

async function evaluateHeldOut<P extends Progress>(
  engine: Engine,
  plan: LoopPlan,
  state: TrainingState<P>,
  { parameters }: Optimizer,
  events: LoopEvents<P>,
): Promise<void> {
  const started = performance.now();
  const { value, batches } = await evaluateLoss(engine, plan, parameters, events.onEvaluating);
  const evalLoss = value.loss;
  const { progress } = state;
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
    eval_tokens: countLabels(batches),
    seconds: (performance.now() - started) / 1000,
    ...withMetrics(value),
  });
}
