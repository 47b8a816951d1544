/** @file Right solutions to imitate: the shortest of each problem, or whichever, as a baseline. */

import { createRandom } from "../../core/random.ts";
import type { RolloutGroup } from "../rollout.ts";
import {
  answerOf,
  type CompletionRow,
  createSelection,
  rightSolutions,
  type Selection,
} from "./selection.ts";

export interface CorrectOptions {
  /** Problems with fewer right solutions are left out. Default 2: of one alone nothing says that it is short. */
  readonly correct?: number;
}

export interface AnyCorrectOptions extends CorrectOptions {
  /** How many of each problem, drawn at random. Default: all. */
  readonly each?: number;
  /** Of the draws. Default 0. */
  readonly seed?: number;
}

/** Name of the random stream drawn here. */
const drawStream = 1;

/**
 * Of each problem its shortest right solution: self-training on the shortest of the model's own samples (Munkhbat et al. 2025).
 *
 * @example
 * const { rows, leftOut } = selectShortestCorrect(readRollouts("rollouts"));
 * console.log(rows.length, leftOut);
 */
export function selectShortestCorrect(
  groups: readonly RolloutGroup[],
  options: CorrectOptions = {},
): Selection<CompletionRow> {
  return select(groups, options, (right) => right.slice(0, 1));
}

/**
 * Of each problem its right solutions, each text once: rejection sampling (Yuan et al. 2023). It takes the same problems as
 * `selectShortestCorrect`, so that it shows what is gained by imitating right solutions, and what by short ones.
 *
 * @example
 * const { rows } = selectCorrect(readRollouts("rollouts"), { each: 1 });
 */
export function selectCorrect(
  groups: readonly RolloutGroup[],
  options: AnyCorrectOptions = {},
): Selection<CompletionRow> {
  const { each = Number.POSITIVE_INFINITY, seed = 0 } = options;
  return select(groups, options, (right) => {
    const different = right.filter(({ text }, i) => right.findIndex((other) => other.text === text) === i);
    const random = createRandom(seed, drawStream, right[0]!.problem);
    while (different.length > each) different.splice(random.below(different.length), 1);
    return different;
  });
}

function select(
  groups: readonly RolloutGroup[],
  { correct = 2 }: CorrectOptions,
  choose: (right: RolloutGroup) => RolloutGroup,
): Selection<CompletionRow> {
  const { take, leaveOut, selection } = createSelection<CompletionRow>();
  for (const group of groups) {
    const right = rightSolutions(group);
    if (right.length === 0) leaveOut("problems without a right solution");
    else if (right.length < correct) leaveOut(`problems with fewer than ${correct} right solutions`);
    else
      for (const rollout of choose(right))
        take(rollout, { prompt: rollout.prompt, completion: answerOf(rollout) });
  }
  return selection;
}
