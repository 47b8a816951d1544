/** @file Demonstrations with the longest reasoning. */

import type { DemonstrationSelector } from "../evaluation/demonstration-selector.ts";
import { takeHighest } from "./take-highest.ts";

/** Chooses those whose solutions have the most steps, which are lines (Fu et al. 2023, "Complexity-Based Prompting"): the same for all queries. */
export const complexitySelector: DemonstrationSelector = {
  name: "complexity",
  async prepare(pool) {
    const steps = pool.map(({ solution = "" }) => countLines(solution));
    return (_query, candidates, k) => takeHighest(candidates, steps, k);
  },
};

function countLines(text: string): number {
  return text.split("\n").filter((line) => line.trim() !== "").length;
}
