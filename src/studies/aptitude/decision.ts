/** @file Which solutions of each query are tuned on: TATA's decision (Xu et al. 2025, arXiv 2502.12022, appendix B.1). */

import { InputError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import { quantile } from "../../statistics/quantile.ts";

/** The two ways to solve a problem. */
export type Manner = "words" | "program";

/** How good a query's solution in either manner is for a model, by whatever measure. */
export interface Aptitude {
  readonly words: number;
  readonly program: number;
}

/** The manners in which each query is tuned on, in the order of the queries. */
export type Choice = readonly (readonly Manner[])[];

export interface Decision {
  /**
   * - words: all in words, and programs too where d is below the quantile (TATA on GSM8K)
   * - programs: all as programs, and words too where d is above it (TATA on MATH)
   * - one: programs where d is below it, and words elsewhere (its ablation with one quantile)
   *
   * with d the aptitude for words less that for programs.
   */
  readonly rule: "words" | "programs" | "one";
  /** Of the distribution of d over the queries, from 0 to 1. */
  readonly quantile: number;
}

/** Reads "words:30", "programs:65" or "one:50". @throws InputError if it is none of them. */
export function parseDecision(name: string, origin: string): Decision {
  const [, rule, percentile] = /^(words|programs|one):(\d+(?:\.\d+)?)$/.exec(name) ?? [];
  if (rule === undefined || !(Number(percentile) <= 100)) {
    throw new InputError(
      `${origin}: "${name}" is no decision; write words, programs or one, a colon and a percentile, such as words:30.`,
    );
  }
  return { rule: rule as Decision["rule"], quantile: Number(percentile) / 100 };
}

/**
 * Chooses by the aptitudes of the queries.
 *
 * @example
 * const aptitudes = [{ words: 0.8, program: 0.2 }, { words: 0.1, program: 0.5 }];
 * decide({ rule: "one", quantile: 0.5 }, aptitudes); // [["words"], ["program"]]
 */
export function decide({ rule, quantile: share }: Decision, aptitudes: readonly Aptitude[]): Choice {
  const differences = aptitudes.map(({ words, program }) => words - program);
  const limit = quantile(
    [...differences].sort((a, b) => a - b),
    share,
  );
  return differences.map((difference) => {
    if (rule === "words") return difference < limit ? ["words", "program"] : ["words"];
    if (rule === "programs") return difference > limit ? ["words", "program"] : ["program"];
    return difference < limit ? ["program"] : ["words"];
  });
}

/** The same manners, given to the queries in random order: a choice of the same size and shares. */
export function shuffleChoice(choice: Choice, random: Random): Choice {
  const shuffled = [...choice];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  return shuffled;
}
