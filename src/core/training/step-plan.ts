/**
 * @file How many steps a run has, which examples are held out, and when their loss is looked at. All of it follows from counts,
 * and nothing from the clock, so that a run that is resumed decides the same.
 */

import { createSampler, type Sampler, splitExamples } from "../data/sampler.ts";
import { InputError } from "../errors.ts";
import type { Progress } from "./loop.ts";

export interface StepPlan {
  /** Indices of the examples, each part in the order of the file. */
  readonly training: readonly number[];
  readonly heldOut: readonly number[];
  readonly sampler: Sampler;
  readonly totalSteps: number;
  /** Steps between two evaluations; there is one before the first step and one after the last too. */
  readonly evalSteps: number;
  /** Evaluations in the whole run; 0 if nothing is held out. */
  readonly evaluations: number;
  /** Tokens that are trained on in the whole run, and tokens of one evaluation. */
  readonly trainedTokens: number;
  readonly heldOutTokens: number;
}

/**
 * Steps for each step's worth of tokens that is read in evaluations that were not asked for. As a token costs no more in an
 * evaluation than in a step, they take less than a tenth of the run's time.
 */
const stepsPerEvaluated = 10;
/** Compiling the programs of an evaluation takes about as long as this many steps. */
const compilingSteps = 1;
/** Examples that are held out at most, unless asked for. */
const mostHeldOut = 100;
/** Evaluations after the beginning at most, unless asked for. */
const mostEvaluations = 10;

/** What of a run's options decides. */
export interface StepOptions {
  /** Examples per optimizer step. */
  readonly batch_size: number;
  readonly num_train_epochs: number;
  /** Optimizer steps; overrides `num_train_epochs`. */
  readonly max_steps?: number | undefined;
  /** Share of the examples (below 1) or number of examples held out; by default 5 %, 100 at most. */
  readonly validation?: number | undefined;
  /** Steps between evaluations; by default ten evaluations in a run. */
  readonly eval_steps?: number | undefined;
  /** Evaluations without improvement after which the run stops; by default it does not stop early. */
  readonly early_stopping_patience?: number | undefined;
  readonly seed: number;
}

/**
 * @param lengths of the examples, in tokens
 * @throws InputError if all examples would be held out.
 */
export function planSteps(options: StepOptions, lengths: readonly number[]): StepPlan {
  const { validation, eval_steps, early_stopping_patience } = options;
  const isAsked = (validation ?? eval_steps ?? early_stopping_patience) !== undefined;
  const usual = Math.min(mostHeldOut, Math.round(0.05 * lengths.length));
  let plan = divide(options, lengths, validation ?? usual);
  // Enough for one evaluation before the first step and one after the last.
  while (!isAsked && affordablePasses(plan) < 2) {
    const { length } = plan.heldOut;
    plan = divide(options, lengths, Math.min(length - 1, Math.floor((length * affordablePasses(plan)) / 2)));
  }

  const { totalSteps } = plan;
  const passes =
    early_stopping_patience === undefined ? Math.floor(affordablePasses(plan)) - 1 : mostEvaluations;
  const evalSteps = eval_steps ?? Math.ceil(totalSteps / Math.min(Math.max(1, passes), mostEvaluations));
  const evaluations = plan.heldOut.length === 0 ? 0 : 1 + Math.ceil(totalSteps / evalSteps);
  return { ...plan, evalSteps, evaluations };
}

type Division = Omit<StepPlan, "evalSteps" | "evaluations">;

/** @param heldOut share of the examples, if below 1, or their number */
function divide(options: StepOptions, lengths: readonly number[], heldOut: number): Division {
  const split = splitExamples(lengths.length, heldOut, options.seed);
  if (split.training.length === 0)
    throw new InputError(`All ${lengths.length} examples would be held out; lower "validation".`);
  const sampler = createSampler(split.training.length, options.batch_size, options.seed);
  const totalSteps =
    options.max_steps ?? Math.max(1, Math.round(options.num_train_epochs * sampler.stepsPerEpoch));
  const epochs = Math.floor(totalSteps / sampler.stepsPerEpoch);
  const trained =
    epochs * split.training.length + (totalSteps - epochs * sampler.stepsPerEpoch) * options.batch_size;
  const count = (indices: readonly number[]) => indices.reduce((sum, index) => sum + lengths[index]!, 0);
  return {
    ...split,
    sampler,
    totalSteps,
    trainedTokens: Math.round((trained / split.training.length) * count(split.training)),
    heldOutTokens: count(split.heldOut),
  };
}

/** Indices of the examples that a run sees, in rising order. */
export function listSeen({ training, heldOut, sampler, totalSteps }: StepPlan): number[] {
  const seen = new Set(heldOut);
  for (let step = 0; step < Math.min(totalSteps, sampler.stepsPerEpoch); step++)
    for (const index of sampler.examplesOf(step)) seen.add(training[index]!);
  return [...seen].sort((a, b) => a - b);
}

/** How often the held-out examples may be read. */
function affordablePasses({ totalSteps, trainedTokens, heldOutTokens }: Division): number {
  if (heldOutTokens === 0) return Number.POSITIVE_INFINITY;
  const steps = totalSteps / stepsPerEvaluated - compilingSteps;
  return (Math.max(0, steps) * trainedTokens) / totalSteps / heldOutTokens;
}

/**
 * Seconds until the end of a run, from how long its steps took.
 *
 * @param evaluationSeconds of an evaluation, where one was measured; else taken to read as fast as a step
 */
export function estimateSecondsLeft(
  {
    totalSteps,
    evalSteps,
    evaluations,
    heldOutTokens,
  }: Pick<StepPlan, "totalSteps" | "evalSteps" | "evaluations" | "heldOutTokens">,
  { step, seconds, tokens }: Pick<Progress, "step" | "seconds" | "tokens">,
  evaluationSeconds = (heldOutTokens * seconds) / tokens,
): number {
  // The evaluation after this step, if there is one, is still to come.
  const evaluationsDone = 1 + Math.floor((step - 1) / evalSteps);
  return (
    ((totalSteps - step) * seconds) / step + Math.max(0, evaluations - evaluationsDone) * evaluationSeconds
  );
}
