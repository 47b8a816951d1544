/** @file Demonstrations that are near to the query and unlike each other. */

import type { DemonstrationSelector } from "../evaluation/demonstration-selector.ts";
import { cosine, type FindDirections } from "./directions.ts";

/** How much nearness counts against likeness to what is chosen already. */
const lambda = 0.5;

/**
 * Chooses one after the other the demonstration d of highest marginal relevance (Carbonell and Goldstein 1998), with s those that
 * are chosen already and λ = 0.5:
 *
 *     λ cos(query, d) − (1 − λ) max_s cos(d, s)
 */
export function mmrSelector(findDirections: FindDirections): DemonstrationSelector {
  return {
    name: "mmr",
    async prepare(pool, queries, onText) {
      const directions = await findDirections(pool, queries, onText);
      return (query, candidates, k) => {
        const directionOf = (place: number) => directions.pool[place]!;
        const relevance = candidates.map((place) => cosine(directions.queries[query]!, directionOf(place)));
        return chooseMarginal(relevance, k, (a, b) =>
          cosine(directionOf(candidates[a]!), directionOf(candidates[b]!)),
        ).map((i) => candidates[i]!);
      };
    },
  };
}

/**
 * @param relevance of each candidate
 * @param similarity of two candidates, by their numbers
 * @returns the numbers of `k` candidates, in the order in which they are chosen; of equal ones the first
 */
export function chooseMarginal(
  relevance: readonly number[],
  k: number,
  similarity: (a: number, b: number) => number,
): number[] {
  const chosen: number[] = [];
  const left = new Set(relevance.keys());
  const nearest = relevance.map(() => Number.NEGATIVE_INFINITY);
  while (chosen.length < k) {
    let best: number | undefined;
    const score = (i: number) =>
      lambda * relevance[i]! - (chosen.length === 0 ? 0 : (1 - lambda) * nearest[i]!);
    for (const i of left) if (best === undefined || score(i) > score(best)) best = i;
    chosen.push(best!);
    left.delete(best!);
    for (const i of left) nearest[i] = Math.max(nearest[i]!, similarity(i, best!));
  }
  return chosen;
}
