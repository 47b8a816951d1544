/** @file The demonstrations that are nearest to the query. */

import type { DemonstrationSelector } from "../evaluation/demonstration-selector.ts";
import { cosine, type FindDirections } from "./directions.ts";
import { takeHighest } from "./take-highest.ts";

/** Chooses by the cosine of the questions (KATE: Liu et al. 2022, "What Makes Good In-Context Examples for GPT-3?"). */
export function knnSelector(findDirections: FindDirections): DemonstrationSelector {
  return {
    name: "knn",
    async prepare(pool, queries, onText) {
      const directions = await findDirections(pool, queries, onText);
      return (query, candidates, k) => {
        const asked = directions.queries[query]!;
        const similarities = directions.pool.map((direction) => cosine(asked, direction));
        return takeHighest(candidates, similarities, k);
      };
    },
  };
}
