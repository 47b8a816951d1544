/** @file What says how good the steps of a solution are: a process reward model, or a rule. */

import { closest } from "fastest-levenshtein";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import type { Model } from "../core/models/model.ts";
import { checkEquations } from "../mathematics/equations.ts";

export const scoresSchema = z.object({
  /** Of each step that was asked for, from 0 to 1. */
  rewards: z.array(z.number().min(0).max(1)),
  /** Tokens that there are to compute for them where the question and the path are known. */
  tokens: z.number(),
});

/** How good steps are, and what it costs to know. */
export type SolutionScores = z.output<typeof scoresSchema>;

/** What is asked at the same time may be computed side by side. */
export interface SolutionScorer {
  /** All that its scores depend on apart from the request, as a text. */
  readonly identity: string;
  /** For people. */
  readonly name: string;
  /**
   * How good steps are that may follow a path, each by itself.
   *
   * @param path the steps before, lines without their ends
   * @throws InputError if they are too long for it
   */
  score(question: string, path: readonly string[], steps: readonly string[]): Promise<SolutionScores>;
  /** How good each step of a solution is, after those before it. @throws InputError as {@link SolutionScorer.score} */
  judge(question: string, steps: readonly string[]): Promise<SolutionScores>;
  /** Tokens of a question, which are computed once for all steps after it. Default: none. */
  countQuestion?(question: string): number;
  /** The most tokens that it computes for steps of which so many tokens were written. Default: none. */
  mostTokens?(written: number): number;
  /** Frees what it holds. */
  release?(): Promise<void>;
}

/**
 * Opens a scorer for a run, once the model that writes is open.
 *
 * @param base that model without its adapter, whose weights may be shared; undefined of a server
 */
export type OpenScorer = (base: Model | undefined) => Promise<SolutionScorer>;

/** The reward of a step before which nothing was calculated. */
const unknown = 0.5;

/** The share of the equations so far that are true; a half where there are none. It computes no tokens. */
const equationScorer: SolutionScorer = {
  identity: "equations",
  name: "the share of true equations",
  score: async (_, path, steps) => ({
    rewards: steps.map((step) => shareOfTrue([...path, step])),
    tokens: 0,
  }),
  judge: async (_, steps) => ({
    rewards: steps.map((_, i) => shareOfTrue(steps.slice(0, i + 1))),
    tokens: 0,
  }),
};

function shareOfTrue(steps: readonly string[]): number {
  const counts = steps.map(checkEquations);
  const equations = counts.reduce((sum, count) => sum + count.equations, 0);
  const valid = counts.reduce((sum, count) => sum + count.valid, 0);
  return equations === 0 ? unknown : valid / equations;
}

const rules: Readonly<Record<string, SolutionScorer>> = { equations: equationScorer };

/** Scorers that need no model, by name. */
export const ruleNames: readonly string[] = Object.keys(rules);

/**
 * The scorer of a name that needs no model: "equations" gives the share of true equations so far.
 *
 * @throws InputError if there is none.
 *
 * @example
 * const { ruleScorer } = await import("slimtune");
 * const { rewards } = await ruleScorer("equations").score("What is 3 + 4 - 2?", ["3 + 4 = 7"], ["7 - 2 = 5", "7 - 2 = 4"]);
 * console.log(rewards); // [ 1, 0.5 ]
 */
export function ruleScorer(name: string): SolutionScorer {
  const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
  if (rule) return rule;
  throw new InputError(
    `There is no scorer "${name}"; do you mean ${closest(name, ruleNames)}? There are ${ruleNames.join(", ")}.`,
  );
}
