/** @file What an objective sees as one example: a text, or several that belong together. */

import type { TokenizedExample } from "./batch.ts";

export interface TrainingExample {
  /**
   * One text where it is imitated; of a preference the chosen and the rejected; of an unpaired answer the answer, and another
   * prompt's answer to the same prompt.
   */
  readonly texts: readonly TokenizedExample[];
  /** How much it counts. Default 1. */
  readonly weight?: number;
  /** Of an unpaired answer: whether it is a wanted one. */
  readonly label?: boolean;
}

/** Which examples an objective learns from. */
export type ExampleKind = "texts" | "pairs" | "unpaired";

/** Tokens of all texts of an example. */
export function countTokens({ texts }: TrainingExample): number {
  return texts.reduce((sum, { ids }) => sum + ids.length, 0);
}
