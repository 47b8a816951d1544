/** @file The rewards that a run knows by name (docs/objectives.md). */

import { InputError } from "../core/errors.ts";
import { extractAnswer } from "../mathematics/extract-answer.ts";
import { judge } from "../mathematics/judge.ts";
import type { Reward, Rollout } from "./reward.ts";

interface RewardKind {
  /** Its numbers, in order, with those that may be left out. */
  readonly numbers: readonly { readonly name: string; readonly usually?: number }[];
  /** @param longest answer in tokens */
  create(numbers: readonly number[], longest: number): Reward;
}

const isCorrect = ({ text, problem }: Rollout) => judge(text, problem.answer);
const correctness = (rollout: Rollout) => (isCorrect(rollout) ? 1 : 0);

const kinds: Readonly<Record<string, RewardKind>> = {
  /** 1 for the right answer. */
  correct: { numbers: [], create: () => correctness },
  /** 1 for an answer that says which part of it is the result, right or wrong. */
  format: { numbers: [], create: () => marking },
  /** Minus a weight times the share of the longest length that is used. */
  length: {
    numbers: [{ name: "weight" }],
    create:
      ([weight], longest) =>
      ({ tokens }) =>
        (-weight! * tokens) / longest,
  },
  efficient: { numbers: [{ name: "alpha", usually: 0.1 }], create: ([alpha]) => efficient(alpha!) },
  /** Right, less alpha for each token more or fewer than n (Aggarwal and Welleck 2025, L1, equation 1). */
  "l1-exact": {
    numbers: [{ name: "alpha", usually: 0.0003 }, { name: "n" }],
    create:
      ([alpha, n]) =>
      (rollout) =>
        correctness(rollout) - alpha! * Math.abs(n! - rollout.tokens),
  },
  /** Right, and up to n tokens the better the shorter, from 0 to 1 (as L1's released code computes its "max" in its linear form). */
  "l1-max": {
    numbers: [{ name: "alpha", usually: 0.0003 }, { name: "n" }],
    create:
      ([alpha, n]) =>
      (rollout) =>
        (correctness(rollout) * (Math.min(Math.max(alpha! * (n! - rollout.tokens), -1), 1) + 1)) / 2,
  },
};

/**
 * Right, and the better the shorter among the right answers to the prompt (Arora and Zanette 2025): 1 − α·σ((length − mean) / deviation),
 * both of the right ones' lengths; 0 for answers that are wrong or cut off.
 */
function efficient(alpha: number): Reward {
  return (rollout, group) => {
    if (rollout.truncated || !isCorrect(rollout)) return 0;
    const lengths = group.filter(isCorrect).map(({ tokens }) => tokens);
    const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    const variance = lengths.reduce((sum, length) => sum + (length - mean) ** 2, 0) / lengths.length;
    return 1 - alpha / (1 + Math.exp((mean - rollout.tokens) / (Math.sqrt(variance) + 1e-7)));
  };
}

const marking: Reward = ({ text }) =>
  extractAnswer(text, { markers: ["boxed", "answer is", "####"] }) === undefined ? 0 : 1;

/** The forms of all rewards, such as "length:weight". */
export const rewardForms: readonly string[] = Object.entries(kinds).map(([name, { numbers }]) =>
  numbers.length === 0 ? name : `${name}:${numbers.map((number) => number.name).join(",")}`,
);

/**
 * A reward by its name and its numbers.
 *
 * @param longest answer in tokens, to which `length` is relative
 * @throws InputError if there is no such reward, or it wants other numbers.
 *
 * @example
 * const reward = createReward("length:0.1", 256);
 */
export function createReward(text: string, longest: number): Reward {
  const [name, given] = text.split(/:(.*)/s) as [string, string | undefined];
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  const known = `the rewards are ${rewardForms.join(", ")}, and modules by their paths, such as ./my-reward.js`;
  if (!kind) throw new InputError(`There is no reward "${name}"; ${known}.`);
  const values = given === undefined ? [] : given.split(",").map(Number);
  // Those that are usual come first, and are left out first.
  const missing = kind.numbers.length - values.length;
  const usual = kind.numbers.slice(0, Math.max(0, missing)).map(({ usually }) => usually);
  const numbers = [...usual, ...values];
  if (missing < 0 || !numbers.every((value) => Number.isFinite(value))) {
    throw new InputError(`The reward "${text}" has other numbers than "${name}" takes; ${known}.`);
  }
  return kind.create(numbers as number[], longest);
}
