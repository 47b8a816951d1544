/** @file The loss of a step or an evaluation: an objective's, with divergences and DCA's terms beside it. */

import type { Parameters } from "../adapters/parameters.ts";
import { type BatchOptions, buildMicroBatches, type MicroBatch } from "../data/batch.ts";
import type { Engine, GradientSums } from "../engine/engine.ts";
import type { Objective, ObjectiveValue } from "../objectives/objective.ts";
import { computeCausalTerm } from "./causal-term.ts";
import { computeCompanionTerm } from "./companion-term.ts";
import { type Comparison, compareOver, type DivergenceTerm } from "./divergence-term.ts";
import {
  createLabelValues,
  gatherLabels,
  type ReferencedExample,
  scatterLabels,
  scoreTexts,
  toScored,
} from "./scored-examples.ts";

/** What a loss is computed of. */
export interface LossPlan {
  readonly objective: Objective;
  /** What is added to the objective's loss. Default: nothing. */
  readonly divergences?: readonly DivergenceTerm[];
  /** Weight of DCA's causal term, which steps have and evaluations do not. Default 0. */
  readonly causalWeight?: number | undefined;
  /**
   * The examples of an optimizer step, counted from 0: a function of the step and, where the model writes them itself, of what it then
   * is.
   */
  examplesOf(step: number): readonly ReferencedExample[] | Promise<WrittenExamples>;
  /** Whether `examplesOf` computes with the state's tensors, so that they have to be up to date. Default false. */
  readonly readsState?: boolean;
  /** The held-out examples; none if there is no evaluation. */
  readonly heldOut: readonly ReferencedExample[];
  readonly batching: BatchOptions;
  /** Of the dropout. */
  readonly seed: number;
}

/** Examples that were made for a step. */
export interface WrittenExamples {
  readonly examples: readonly ReferencedExample[];
  /** What is told of them beside the objective's metrics. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** A loss, and what more is told of it by the names of its metrics. */
export type LossValue = Pick<ObjectiveValue, "loss" | "metrics">;

interface ComputedLoss {
  readonly value: LossValue;
  /** The examples' texts, divided. */
  readonly batches: readonly MicroBatch[];
}

/** Computes the loss of the examples of a step, counted from 0, and adds its gradients. */
export async function accumulateLoss(
  engine: Engine,
  plan: LossPlan,
  step: number,
  examples: readonly ReferencedExample[],
  parameters: Parameters,
  gradients: GradientSums,
): Promise<ComputedLoss> {
  const { objective, batching, seed, causalWeight = 0 } = plan;
  const texts = examples.flatMap((example) => example.texts);
  const batches = buildMicroBatches(texts, batching);
  const known = objective.isLinear
    ? createLabelValues(texts)
    : await scoreTexts(engine, parameters, texts, batches);
  const value = objective.evaluate(toScored(examples, known));
  const all = value.coefficients.flat();
  // Of KTO's mismatched answers, for one, only the scores are needed.
  const counts = (i: number) => objective.isLinear || all[i]!.some((coefficient) => coefficient !== 0);
  const counting = texts.filter((_, i) => counts(i));
  const coefficients = all.filter((_, i) => counts(i));
  const scores = createLabelValues(counting);
  const counted = counting.length === texts.length ? batches : buildMicroBatches(counting, batching);
  const comparisons = compareAll(plan, counted, examples, step);
  // That of the examples' labels shares their passes through the model.
  const shared = comparisons.find(({ isApart }) => !isApart);
  const causal =
    causalWeight > 0 ? await computeCausalTerm(engine, parameters, counted, causalWeight) : undefined;
  const { companionWeight = 0 } = objective;
  const companion =
    companionWeight > 0
      ? await computeCompanionTerm(engine, parameters, examples, counted, companionWeight)
      : undefined;
  for (const [microBatch, batch] of counted.entries()) {
    const weights = gatherLabels(batch, coefficients).map((coefficient) => -coefficient);
    // An objective that has to know the scores beforehand would see others, were inputs dropped at random.
    const dropout = objective.isLinear && { dropout: { seed, step, microBatch } };
    const contributionGradient = causal?.gradients.get(batch);
    const stateGradient = companion?.gradients.get(batch);
    const options = {
      weights,
      ...dropout,
      ...(await shared?.distill(batch)),
      ...(contributionGradient && { contributionGradient }),
      ...(stateGradient && { stateGradient }),
    };
    const accumulated = await engine.accumulate(batch, parameters, gradients, options);
    scatterLabels(batch, accumulated.logProbabilities, scores);
    shared?.add(batch, accumulated.divergences);
  }
  for (const { isApart, batches, distill, add } of comparisons) {
    if (!isApart) continue;
    for (const batch of batches) {
      const distillation = await distill(batch);
      if (!distillation) continue;
      const options = { weights: 0, ...distillation };
      add(batch, (await engine.accumulate(batch, parameters, gradients, options)).divergences);
    }
  }
  const final = objective.isLinear ? objective.evaluate(toScored(examples, scores)) : value;
  return {
    value: joinLosses(
      final,
      [...comparisons, causal, companion].filter((term) => term !== undefined),
    ),
    batches,
  };
}

/**
 * Computes the loss of the held-out examples.
 *
 * @param onBatch called before each of the batches is scored
 */
export async function evaluateLoss(
  engine: Engine,
  plan: LossPlan,
  parameters: Parameters,
  onBatch?: (done: number, batches: number) => void,
): Promise<ComputedLoss> {
  const { objective, heldOut, batching } = plan;
  const texts = heldOut.flatMap((example) => example.texts);
  const batches = buildMicroBatches(texts, batching);
  const scores = await scoreTexts(engine, parameters, texts, batches, (done) =>
    onBatch?.(done, batches.length),
  );
  const comparisons = compareAll(plan, batches, heldOut, "evaluation");
  for (const { batches, distill, add } of comparisons) {
    for (const batch of batches) {
      const compared = await distill(batch);
      if (compared) add(batch, await engine.divergences(batch, parameters, compared.distillation));
    }
  }
  return { value: joinLosses(objective.evaluate(toScored(heldOut, scores)), comparisons), batches };
}

function compareAll(
  { divergences = [], batching }: LossPlan,
  batches: readonly MicroBatch[],
  examples: readonly ReferencedExample[],
  step: number | "evaluation",
): Comparison[] {
  const weights = examples.flatMap(({ texts, weight = 1 }) => texts.map(() => weight));
  return divergences.map((term) =>
    compareOver(term, term.textsOf ? buildMicroBatches(term.textsOf(step), batching) : batches, weights),
  );
}

/** The objective's loss with what stands beside it. */
function joinLosses(
  value: ObjectiveValue,
  terms: readonly Pick<Comparison, "name" | "weight" | "mean">[],
): LossValue {
  if (terms.length === 0) return value;
  const { loss, metrics } = value;
  return {
    loss: terms.reduce((sum, { weight, mean }) => sum + weight * mean(), loss),
    metrics: {
      task_loss: loss,
      ...metrics,
      ...Object.fromEntries(terms.map(({ name, mean }) => [name, mean()])),
    },
  };
}
