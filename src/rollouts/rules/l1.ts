/** @file Questions that say how long to think (L1, Aggarwal and Welleck 2025, arXiv 2503.04697), with solutions that do. */

import { createRandom } from "../../core/random.ts";
import type { RolloutGroup } from "../rollout.ts";
import {
  answerOf,
  type CompletionRow,
  createSelection,
  rephrase,
  rightSolutions,
  type Selection,
} from "./selection.ts";

export interface LengthPromptOptions {
  /**
   * - `exact` (default): "Think for N tokens.", N being what the solution took
   * - `max`: "Think for maximum N tokens.", N drawn from this number to twice of it
   */
  readonly form?: "exact" | "max";
  /** Of the draws. Default 0. */
  readonly seed?: number;
}

/** Name of the random stream drawn here. */
const drawStream = 4;

/**
 * Each right solution under a prompt that asks for its own length: L1's prompts, learnt by imitation in hindsight, where L1 itself
 * learns them by rewards.
 *
 * @example
 * const { rows } = selectLengthPrompts(readRollouts("rollouts"));
 * console.log(rows[0]?.prompt); // … Think for 87 tokens.
 */
export function selectLengthPrompts(
  groups: readonly RolloutGroup[],
  { form = "exact", seed = 0 }: LengthPromptOptions = {},
): Selection<CompletionRow> {
  const { take, leaveOut, selection } = createSelection<CompletionRow>();
  for (const group of groups) {
    const right = rightSolutions(group);
    if (right.length === 0) leaveOut("problems without a right solution");
    for (const rollout of right) {
      const { problem, sample, tokens, question } = rollout;
      const more = createRandom(seed, drawStream, problem, sample).below(tokens + 1);
      const length = form === "exact" ? `${tokens} tokens` : `maximum ${tokens + more} tokens`;
      const prompt = rephrase(
        rollout,
        // Under a question alone it is the instruction.
        (asked) => `${asked}${asked.endsWith(question) ? "\n" : " "}Think for ${length}.`,
      );
      take(rollout, { prompt, completion: answerOf(rollout) });
    }
  }
  return selection;
}
