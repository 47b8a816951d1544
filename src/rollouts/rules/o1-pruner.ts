/** @file Weights of solutions by how short and how right they are among those of their problem (O1-Pruner, Luo et al. 2025, arXiv 2501.12570). */

import { createRandom } from "../../core/random.ts";
import { mean } from "../../statistics/estimates.ts";
import type { JudgedRollout, RolloutGroup } from "../rollout.ts";
import { answerOf, type CompletionRow, createSelection, type Selection } from "./selection.ts";

export interface PrunerWeightOptions {
  /** How much being right counts beside being short. Default 5. */
  readonly alpha?: number;
  /** Weights are cut to this range, before they are standardized. Default -2 to 4. */
  readonly lowest?: number;
  readonly highest?: number;
}

export interface PrunerOptions extends PrunerWeightOptions {
  /** Solutions of each problem that are taken, drawn at random. Default 2. */
  readonly each?: number;
  /** Of the draws. Default 0. */
  readonly seed?: number;
}

/** Name of the random stream drawn here. */
const drawStream = 2;

/**
 * w = (mean length − length) / length + alpha · (right − share of right ones), of a solution among all of its problem, cut to
 * the range. Lengths are in tokens.
 *
 * @example
 * const group = [{ tokens: 40, correct: true }, { tokens: 80, correct: true }];
 * console.log(prunerWeight(group[0]!, group)); // 0.5
 */
export function prunerWeight(
  { tokens, correct }: Pick<JudgedRollout, "tokens" | "correct">,
  group: readonly Pick<JudgedRollout, "tokens" | "correct">[],
  { alpha = 5, lowest = -2, highest = 4 }: PrunerWeightOptions = {},
): number {
  const meanTokens = mean(group.map((other) => other.tokens));
  const accuracy = mean(group.map((other) => Number(other.correct)));
  const weight = (meanTokens - tokens) / tokens + alpha * (Number(correct) - accuracy);
  return Math.min(highest, Math.max(lowest, weight));
}

/** The values less their mean, in standard deviations (of all of them, with n); 0 where they are all alike. */
export function standardize(values: readonly number[]): number[] {
  const center = mean(values);
  const deviation = Math.sqrt(mean(values.map((value) => (value - center) ** 2)));
  return values.map((value) => (deviation === 0 ? 0 : (value - center) / deviation));
}

/**
 * Of each problem some solutions, each with its weight as O1-Pruner computes it: {@link prunerWeight}, standardized over all that
 * were taken. O1-Pruner uses it as the advantage in a clipped loss, which also makes what has a negative weight less likely; imitation has
 * no bound there, so that only right solutions with a weight above 0 become rows. To learn from both sides, see `grpo` and `rloo`.
 *
 * @example
 * const { rows, leftOut } = selectPruned(readRollouts("rollouts"), { alpha: 2 });
 * console.log(rows[0]?.weight, leftOut);
 */
export function selectPruned(
  groups: readonly RolloutGroup[],
  options: PrunerOptions = {},
): Selection<CompletionRow> {
  const { each = 2, seed = 0 } = options;
  const taken = groups.flatMap((group) =>
    draw(group, each, seed).map((rollout) => ({ rollout, raw: prunerWeight(rollout, group, options) })),
  );
  const weights = standardize(taken.map(({ raw }) => raw));
  const { take, leaveOut, selection } = createSelection<CompletionRow>();
  for (const [i, { rollout }] of taken.entries()) {
    const weight = weights[i]!;
    if (weight <= 0) leaveOut("solutions with no weight above 0");
    else if (!rollout.correct) leaveOut("solutions that are wrong, with a weight above 0");
    else if (rollout.truncated) leaveOut("solutions that were cut, with a weight above 0");
    else take(rollout, { prompt: rollout.prompt, completion: answerOf(rollout), weight });
  }
  leaveOut("solutions that were not drawn", groups.flat().length - taken.length);
  return selection;
}

function draw(group: RolloutGroup, count: number, seed: number): RolloutGroup {
  const random = createRandom(seed, drawStream, group[0]!.problem);
  const left = [...group];
  return Array.from(
    { length: Math.min(count, group.length) },
    () => left.splice(random.below(left.length), 1)[0]!,
  );
}
