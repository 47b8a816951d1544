import { expect, test } from "vitest";
import { createRandom } from "../core/random.ts";
import { compareArms, type MeasuredArms } from "./compare-arms.ts";
import { countPromptTokens } from "./prompt-tokens.ts";

const random = createRandom(3);
const items = 120;
const sizes = Float64Array.from({ length: items }, () => 10 + random.below(20));
const zero = Float64Array.from(sizes, (size) => size * (2 + 0.5 * random.normal()));
/** A little of noise beside what makes an item hard for all. */
const shifted = (by: number) => zero.map((value, i) => value + sizes[i]! * (by + 0.05 * random.normal()));

const measured: MeasuredArms = {
  score: "bits",
  sizes,
  arms: [
    { selection: "zero-shot", k: 0, values: [zero] },
    { selection: "random", k: 1, values: [shifted(0), shifted(0), shifted(0)] },
    { selection: "good", k: 1, values: [shifted(-0.1)] },
    { selection: "bad", k: 1, values: [shifted(0.1)] },
    { selection: "same", k: 2, values: [zero] },
  ],
};

test("what differs from none and from random demonstrations is shown, and what does not is not", () => {
  const [scores] = compareArms([measured]);
  const verdicts = scores!.map(({ comparisons }) =>
    comparisons.map(({ against, verdict }) => `${verdict} than ${against}`),
  );
  expect(verdicts).toEqual([
    [],
    ["no difference shown than zero-shot"],
    ["better than zero-shot", "better than random:1"],
    ["worse than zero-shot", "worse than random:1"],
    ["no difference shown than zero-shot"],
  ]);
  const total = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);
  expect(scores![0]!.estimate.value).toBeCloseTo(total(zero) / total(sizes), 12);
  const [, , good] = scores!;
  const { difference, p, adjustedP } = good!.comparisons[0]!;
  const [values] = measured.arms[2]!.values;
  expect(difference.value).toBeCloseTo((total(values!) - total(zero)) / total(sizes), 12);
  // Of pairs the interval is far narrower than that of the items, which differ much.
  expect(difference.high - difference.low).toBeLessThan(0.05);
  expect(good!.estimate.high - good!.estimate.low).toBeGreaterThan(0.1);
  // Seven comparisons; the least p is counted seven times at most.
  expect(adjustedP).toBeGreaterThan(p);
  expect(adjustedP).toBeLessThanOrEqual(7 * p);
  expect(scores![4]!.comparisons[0]!.difference).toEqual({ value: 0, low: 0, high: 0 });
});

test("of five items nothing is shown, however alike their differences are", () => {
  const few = (values: Float64Array) => values.slice(0, 5);
  const arms = measured.arms.map((arm) => ({ ...arm, values: arm.values.map(few) }));
  const [scores] = compareArms([{ ...measured, sizes: few(sizes), arms }]);
  const [againstNone] = scores![2]!.comparisons;
  expect(againstNone!.difference.high).toBeLessThan(0);
  // Of the 32 assignments of signs two go as far.
  expect(againstNone!.p).toBeGreaterThan(0.05);
  expect(againstNone!.verdict).toBe("no difference shown");
});

test("of answers more is better, and p-values are adjusted over all tasks of a score", () => {
  const answers: MeasuredArms = { ...measured, score: "answers" };
  const verdictOf = (all: ReturnType<typeof compareArms>) => all.at(-1)![2]!.comparisons[0]!;
  expect(verdictOf(compareArms([answers])).verdict).toBe("worse");
  const one = verdictOf(compareArms([answers])).adjustedP;
  expect(verdictOf(compareArms([answers, answers])).adjustedP).toBeGreaterThan(one);
});

test("a beginning that prompts share is counted once where it can be computed once", () => {
  const prompts = [
    [1, 2, 3, 4],
    [1, 2, 5],
    [7, 8],
    [1, 2, 3, 6, 7],
  ];
  // Different nodes of the tree: 1 2 3 4, 5, 6 7, 7 8.
  expect(countPromptTokens(prompts)).toEqual({ read: 14 / 4, own: 9 / 4 });
});
