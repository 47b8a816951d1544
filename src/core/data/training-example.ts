/** @file What an objective sees as one example: a text, or several that belong together. */

import type { TokenizedExample } from "./batch.ts";

export interface TrainingExample {
  /**
   * One text where it is imitated; of a question in two wordings the same answer after each; of a preference the chosen and the rejected; of an unpaired answer the answer, and another
   * prompt's answer to the same prompt; of a prompt that the model answers itself the prompt or, once it has, the answers after it.
   */
  readonly texts: readonly TokenizedExample[];
  /** How much it counts. Default 1. */
  readonly weight?: number;
  /** Of an unpaired answer: whether it is a wanted one. */
  readonly label?: boolean;
  /** Of a solution whose steps are judged: how right each labelled step is, from 0 to 1. */
  readonly stepLabels?: readonly number[];
  /** Of answers that the model has written itself: how good each of them is. */
  readonly rewards?: readonly number[];
  /** Of a prompt that the model answers itself. */
  readonly problem?: AskedProblem;
}

/** What is asked by a prompt, and what is right. */
export interface AskedProblem {
  /** What is asked, without the chat template. */
  readonly prompt: string;
  /** The right answer; of a solution that names its result after "####", as GSM8K's do, this result. */
  readonly answer: string;
  /** The row of the data that it is from. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Where this row stands in its file. */
  readonly line: number;
}

/** Which examples an objective learns from; "prompts" are answered by the model itself, "steps" are solutions with labels of their steps, "wordings" answers to a question that is worded twice. */
export type ExampleKind = "texts" | "wordings" | "pairs" | "unpaired" | "prompts" | "steps";

/** Tokens of all texts of an example. */
export function countTokens({ texts }: TrainingExample): number {
  return texts.reduce((sum, { ids }) => sum + ids.length, 0);
}
