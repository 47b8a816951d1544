/** @file Pairs of solutions for preference objectives: a short one against a long one, a right one against a wrong one. */

import { createRandom } from "../../core/random.ts";
import type { JudgedRollout, RolloutGroup } from "../rollout.ts";
import { answerOf, createSelection, type PairRow, rightSolutions, type Selection } from "./selection.ts";

/**
 * - `short-long`: the shortest right solution against the longest right one
 * - `right-wrong`: a right solution against a wrong one, both drawn at random
 * - `mixed`: both, where there are both
 */
export type PairKind = (typeof pairKinds)[number];

export const pairKinds = ["short-long", "right-wrong", "mixed"] as const;

export interface PairOptions {
  /** Default "mixed": of pairs that differ in length alone, models become short and wrong. */
  readonly kind?: PairKind;
  /** Of the draws. Default 0. */
  readonly seed?: number;
}

/** Name of the random stream drawn here. */
const drawStream = 3;

/**
 * Pairs of solutions of the same problem. Solutions that were cut are in none.
 *
 * @example
 * const { rows } = selectPairs(readRollouts("rollouts"), { kind: "mixed" });
 */
export function selectPairs(
  groups: readonly RolloutGroup[],
  { kind = "mixed", seed = 0 }: PairOptions = {},
): Selection<PairRow> {
  const { take, leaveOut, selection } = createSelection<PairRow>();
  for (const group of groups) {
    const right = rightSolutions(group);
    const wrong = group.filter(({ correct, truncated }) => !correct && !truncated);
    const random = createRandom(seed, drawStream, group[0]!.problem);
    const drawn = (from: RolloutGroup) => from[random.below(from.length)]!;
    const pairs: [chosen: JudgedRollout, rejected: JudgedRollout][] = [];
    const [shortest, longest] = [right[0], right.at(-1)];
    if (kind !== "right-wrong" && shortest && longest!.tokens > shortest.tokens)
      pairs.push([shortest, longest!]);
    if (kind !== "short-long" && right.length > 0 && wrong.length > 0)
      pairs.push([drawn(right), drawn(wrong)]);

    if (pairs.length === 0) leaveOut(explain(right, kind));
    for (const [chosen, rejected] of pairs) {
      // Answers that differ in space alone may be printed alike, so that neither is better.
      const [better, worse] = [chosen.text.trim(), rejected.text.trim()];
      if (better === worse || worse === "")
        leaveOut("pairs of solutions that are alike, or one of them empty");
      else take(chosen, { prompt: chosen.prompt, chosen: answerOf(chosen), rejected: answerOf(rejected) });
    }
  }
  return selection;
}

/** Why a problem gives no pair. */
function explain(right: RolloutGroup, kind: PairKind): string {
  if (right.length === 0) return "problems without a right solution";
  if (kind === "right-wrong") return "problems without a wrong solution";
  return right.length === 1
    ? "problems with one right solution"
    : "problems whose right solutions are equally long";
}
