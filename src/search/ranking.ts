/** @file Whole solutions compared by the rewards of their steps. */

/** How the rewards of a solution's steps become one: that of its last step, the least, or their product. */
export type RewardAggregation = "last" | "min" | "product";

export const aggregations = ["last", "min", "product"] as const satisfies readonly RewardAggregation[];

/**
 * The reward of a whole solution; 0 of one without steps.
 *
 * @example
 * const { aggregateRewards } = await import("slimtune");
 * console.log(aggregateRewards([0.5, 0.5, 1], "product")); // 0.25
 */
export function aggregateRewards(rewards: readonly number[], by: RewardAggregation): number {
  const last = rewards.at(-1);
  if (last === undefined) return 0;
  if (by === "last") return last;
  return by === "min" ? Math.min(...rewards) : rewards.reduce((product, reward) => product * reward);
}

/** An answer, and how much those who gave it weigh together. */
export interface WeightedVote {
  readonly answer: string;
  readonly weight: number;
}

/**
 * Answers that are the same put together, the heaviest first and of equals the one given first. Who gives no answer does not vote.
 *
 * @param equal whether two answers are the same
 * @example
 * const { weightedVote } = await import("slimtune");
 * const given = [{ answer: "7", weight: 0.4 }, { answer: "5", weight: 0.5 }, { answer: "7", weight: 0.3 }];
 * console.log(weightedVote(given, (a, b) => a === b)[0]!.answer); // 7
 */
export function weightedVote(
  given: readonly { readonly answer: string | undefined; readonly weight: number }[],
  equal: (a: string, b: string) => boolean,
): WeightedVote[] {
  const votes: { answer: string; weight: number }[] = [];
  for (const { answer, weight } of given) {
    if (answer === undefined) continue;
    const same = votes.find((vote) => equal(answer, vote.answer));
    if (same) same.weight += weight;
    else votes.push({ answer, weight });
  }
  return votes.sort((a, b) => b.weight - a.weight);
}
