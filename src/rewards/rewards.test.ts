import { describe, expect, test } from "vitest";
import { InputError } from "../core/errors.ts";
import type { Rollout } from "./reward.ts";
import { createReward } from "./rewards.ts";

const problem = { prompt: "How many?", answer: "12", fields: {}, line: 3 };
const rollout = (text: string, tokens: number, truncated = false): Rollout => ({
  problem,
  text,
  tokens,
  truncated,
});
const group = [
  rollout("8 + 4 = 12\n#### 12", 10),
  rollout("It has 3 and 9, so the answer is 12", 20),
  rollout("#### 13", 4),
  rollout("8 + 4 = 12", 40, true),
];
const rewardsOf = (name: string, longest = 100) => {
  const reward = createReward(name, longest);
  return group.map((each) => reward(each, group));
};

test("answers are right, marked and long", () => {
  expect(rewardsOf("correct")).toEqual([1, 1, 0, 1]);
  expect(rewardsOf("format")).toEqual([1, 1, 1, 0]);
  expect(rewardsOf("length:0.5", 200)).toEqual([-0.025, -0.05, -0.01, -0.1]);
});

test("efficient compares the right answers' lengths", () => {
  // Lengths 10, 20 and 40: mean 23.33, deviation 12.472.
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
  const expected = [10, 20].map((length) => 1 - 0.3 * sigmoid((length - 70 / 3) / 12.472191));
  const [first, second, ...others] = rewardsOf("efficient:0.3");
  expect(first).toBeCloseTo(expected[0]!, 6);
  expect(second).toBeCloseTo(expected[1]!, 6);
  expect(others).toEqual([0, 0]);
});

test("L1 has a length to aim at, or to stay below", () => {
  expect(rewardsOf("l1-exact:0.01,15")).toEqual([0.95, 0.95, -0.11, 0.75]);
  expect(rewardsOf("l1-exact:15")).toEqual(rewardsOf("l1-exact:0.0003,15"));
  expect(rewardsOf("l1-max:0.05,20")).toEqual([0.75, 0.5, 0, 0]);
});

describe("a reward is refused", () => {
  test.each(["length", "length:x", "corect", "correct:1", "l1-max", "l1-max:1,2,3", "toString"])(
    "%s",
    (name) => {
      expect(() => createReward(name, 10)).toThrow(InputError);
      expect(() => createReward(name, 10)).toThrow("l1-exact:alpha,n");
    },
  );
});
