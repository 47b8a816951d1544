/** @file What a reward is: how good an answer is that a model has written. */

import type { AskedProblem } from "../core/data/training-example.ts";

/** An answer that a model has written. */
export interface Rollout {
  readonly problem: AskedProblem;
  readonly text: string;
  /** Tokens written, the one that ends the text included. */
  readonly tokens: number;
  /** Whether it was cut off, and not ended by the model. */
  readonly truncated: boolean;
}

/**
 * How good an answer is; only differences within its group matter.
 *
 * @param group all answers to the same prompt, this one among them
 *
 * @example
 * // Shows its steps.
 * const steps: Reward = ({ text }) => (text.trim().includes("\n") ? 1 : 0);
 */
export type Reward = (rollout: Rollout, group: readonly Rollout[]) => number | Promise<number>;
