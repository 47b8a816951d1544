/** @file A set of demonstrations that is probable under a determinantal point process: near to the query, and diverse. */

import type { DemonstrationSelector } from "../evaluation/demonstration-selector.ts";
import { cosine, type FindDirections } from "./directions.ts";
import { takeHighest } from "./take-highest.ts";

/** The nearest candidates, among which the set is looked for, as CEIL does. */
const nearest = 100;
/** How much diversity counts against nearness, as in CEIL. */
const lambda = 0.1;

/**
 * Chooses the set with a high determinant of L over it, with L_ij = r_i S_ij r_j, S = (1 + cos) / 2 and r_i = exp(S_i / 2λ) of the
 * likeness S_i to the query, λ = 0.1, among the 100 nearest (CEIL, Ye et al. 2023, section 3, without its training).
 */
export function dppSelector(findDirections: FindDirections): DemonstrationSelector {
  return {
    name: "dpp",
    async prepare(pool, queries, onText) {
      const directions = await findDirections(pool, queries, onText);
      const likeness = (a: Float32Array, b: Float32Array) => (1 + cosine(a, b)) / 2;
      return (query, candidates, k) => {
        const asked = directions.queries[query]!;
        const similarities = directions.pool.map((direction) => likeness(asked, direction));
        const near = takeHighest(candidates, similarities, Math.max(k, nearest));
        // A common factor of L changes no choice, and keeps it within range.
        const top = similarities[near[0]!]!;
        const relevance = near.map((place) => Math.exp((similarities[place]! - top) / (2 * lambda)));
        const kernel = near.map((a, i) =>
          near.map(
            (b, j) => relevance[i]! * likeness(directions.pool[a]!, directions.pool[b]!) * relevance[j]!,
          ),
        );
        return greedyMap(kernel, k).map((i) => near[i]!);
      };
    },
  };
}

/** Of a diagonal element, what a set leaves of it by rounding alone. */
const rounding = 1e-12;

/**
 * The greedy maximum of det(L_S) over sets of k (Chen et al. 2018, algorithm 1): each time the element that multiplies the determinant
 * most. With the rows c_i of its Cholesky factor and d_i² = L_ii − ‖c_i‖² what element i would multiply it by, element j gives
 *
 *     e_i = (L_ji − ⟨c_j, c_i⟩) / d_j,   c_i ← [c_i, e_i],   d_i² ← d_i² − e_i²
 *
 * @param kernel L, symmetric and positive semidefinite, [n, n]
 * @returns the numbers of `k` elements in the order in which they are taken. Once none is left that is no combination of those taken,
 *   the others follow by their diagonal.
 */
export function greedyMap(kernel: readonly (readonly number[])[], k: number): number[] {
  const rows: number[][] = kernel.map(() => []);
  const diagonal = kernel.map((row, i) => row[i]!);
  const gains = [...diagonal];
  const left = new Set(kernel.keys());
  const taken: number[] = [];
  while (taken.length < k) {
    const free = [...left].filter((i) => gains[i]! > rounding * diagonal[i]!);
    const [j] = takeHighest(free, gains, 1);
    if (j === undefined) return [...taken, ...takeHighest([...left], diagonal, k - taken.length)];
    taken.push(j);
    left.delete(j);
    const root = Math.sqrt(gains[j]!);
    for (const i of left) {
      const product = rows[j]!.reduce((sum, value, place) => sum + value * rows[i]![place]!, 0);
      const e = (kernel[j]![i]! - product) / root;
      rows[i]!.push(e);
      gains[i]! -= e * e;
    }
  }
  return taken;
}
