/** @file Process reward models: how right each step of a solution is, said by one of two tokens after it. */

import * as z from "zod";
import { logSigmoid, sigmoid } from "./logistic.ts";
import type { Objective, ScoredExample } from "./objective.ts";
import { sum } from "./scored-text.ts";

export const prmOptions = z.strictObject({
  /** Ends each step; the label is that of its last token. As in TRL. */
  step_separator: z.string().min(1).default("\n"),
});

/**
 * The cross-entropy of a choice between two tokens at the end of each labelled step: −y·log σ(l₊ − l₋) − (1 − y)·log σ(l₋ − l₊), where
 * l₊ and l₋ are the logits of "+" and "-" and the label y is hard or soft (Wang et al. 2024, Math-Shepherd). The mean over all labelled
 * steps, each times the weight of its example. The `PRMTrainer` of TRL 1.13 has the same loss of a head of two classes.
 *
 * The labels of a text are two for each step: that of "+", and that of "-". Their log-probabilities differ as the logits do.
 *
 * @example
 * const logProbabilities = Float64Array.of(Math.log(0.3), Math.log(0.1));
 * const text = { logProbabilities, reference: new Float64Array(0) };
 * const { loss } = prm.evaluate([{ texts: [text], stepLabels: [1], weight: 1 }]);
 * console.log(loss); // -log(0.3 / (0.3 + 0.1))
 */
export const prm: Objective = {
  name: "prm",
  learnsFrom: "steps",
  usesReference: false,
  isLinear: false,
  evaluate(examples) {
    const solutions = examples.map(readSteps);
    const all = solutions.flat();
    const perStep = 1 / Math.max(1, all.length);
    return {
      loss: sum(all.map(({ weight, loss }) => perStep * weight * loss)),
      coefficients: solutions.map((steps) => [
        Float64Array.from(
          steps.flatMap(({ weight, slope }) => [perStep * weight * slope, -perStep * weight * slope]),
        ),
      ]),
      metrics: {
        accuracy: perStep * all.filter(({ label, score }) => score > 0.5 === label > 0.5).length,
        base_rate: perStep * sum(all.map(({ label }) => label)),
      },
    };
  },
};

/** What one step adds. */
interface StepTerm {
  readonly weight: number;
  readonly label: number;
  /** P("+") of the two. */
  readonly score: number;
  readonly loss: number;
  /** Of the loss by the log-probability of "+"; that by the other's is its negative. */
  readonly slope: number;
}

/** The steps that are in the text: where it was cut, there are labels more. */
function readSteps({ texts, stepLabels, weight }: ScoredExample): StepTerm[] {
  const { logProbabilities } = texts[0]!;
  return Array.from({ length: logProbabilities.length / 2 }, (_, step) => {
    const label = stepLabels![step]!;
    const margin = logProbabilities[2 * step]! - logProbabilities[2 * step + 1]!;
    const score = sigmoid(margin);
    const loss = -label * logSigmoid(margin) - (1 - label) * logSigmoid(-margin);
    return { weight, label, score, loss, slope: score - label };
  });
}
