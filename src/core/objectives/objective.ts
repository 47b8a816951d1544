/** @file What an objective is: a loss that is a function of the log-probabilities of the labelled tokens. */

import type { ExampleKind, TrainingExample } from "../data/training-example.ts";

/** The labelled tokens of a text, as a model that is tuned and its reference see them. */
export interface ScoredText {
  /** Of each labelled token, in nats. */
  readonly logProbabilities: Float64Array;
  /** The same by the reference, the model before tuning; where the objective needs none, empty. */
  readonly reference: Float64Array;
  /** The same by the model that wrote the text, where it may have been an earlier one than that which is tuned. */
  readonly old?: Float64Array;
}

export interface ScoredExample extends Pick<TrainingExample, "label" | "stepLabels" | "rewards"> {
  readonly texts: readonly ScoredText[];
  readonly weight: number;
}

export interface ObjectiveValue {
  readonly loss: number;
  /** Of each example's texts: the derivative of the loss by the log-probability of each labelled token. */
  readonly coefficients: readonly (readonly Float64Array[])[];
  /** What else is worth knowing, by the names of TRL's logs. */
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * A loss of the examples of an optimizer step, or of all that are held out. Whatever it computes from the log-probabilities, the
 * gradient of the model's parameters follows from its derivatives by them: the loss of a token counts with the negative of its
 * coefficient.
 */
export interface Objective {
  readonly name: string;
  /** Which examples it learns from. */
  readonly learnsFrom: ExampleKind;
  /** Whether it needs {@link ScoredText.reference}. */
  readonly usesReference: boolean;
  /** How much the distance of the states of an example's two texts counts in steps (`computeCompanionTerm`). Default 0. */
  readonly companionWeight?: number;
  /** Whether its coefficients do not depend on the log-probabilities, so that these need not be known before the gradients. */
  readonly isLinear: boolean;
  evaluate(examples: readonly ScoredExample[]): ObjectiveValue;
}
