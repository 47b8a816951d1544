import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { calibrate } from "./calibration.ts";
import { areaUnderRoc } from "./roc.ts";

/** By scikit-learn (reference/prm.py). */
const golden: readonly {
  readonly scores: readonly number[];
  readonly outcomes: readonly number[];
  readonly auc: number;
  readonly brier: number;
  /** Of the bins that are not empty. */
  readonly shares: readonly number[];
  readonly means: readonly number[];
}[] = JSON.parse(readFileSync("fixtures/evaluation/calibration.json", "utf8"));

test("reliability tables, Brier scores and areas equal scikit-learn's", () => {
  for (const { scores, outcomes, auc, brier, shares, means } of golden) {
    const calibration = calibrate(scores, outcomes);
    const filled = calibration.bins.filter(({ count }) => count > 0);
    expect(calibration.brier).toBeCloseTo(brier, 12);
    for (const [i, bin] of filled.entries()) {
      expect(bin.outcome).toBeCloseTo(shares[i]!, 12);
      expect(bin.score).toBeCloseTo(means[i]!, 12);
    }
    expect(filled).toHaveLength(shares.length);
    const right = outcomes.map((outcome) => outcome === 1);
    expect(areaUnderRoc(scores, right, { resamples: 10 })!.value).toBeCloseTo(auc, 12);
  }
});

test("the expected error weighs the bins by their scores", () => {
  const { expectedError, bins } = calibrate([0.9, 1, 0.95, 0.2], [1, 0, 1, 0.5], 5);
  expect(bins.map(({ count }) => count)).toEqual([1, 0, 0, 0, 3]);
  expect(expectedError).toBeCloseTo((3 * (0.95 - 2 / 3) + 0.3) / 4, 12);
});

const pairs = fc.array(fc.tuple(fc.constantFrom(0, 0.1, 0.5, 0.7, 1), fc.boolean()), {
  minLength: 1,
  maxLength: 20,
});

test("the area is the share of pairs that are in order", () => {
  fc.assert(
    fc.property(pairs, (items) => {
      const sides = [true, false].map((side) => items.filter(([, isRight]) => isRight === side));
      const wins = sides[0]!.flatMap(([right]) =>
        sides[1]!.map(([wrong]) => (right > wrong ? 1 : right === wrong ? 0.5 : 0)),
      );
      const area = areaUnderRoc(
        items.map(([score]) => score),
        items.map(([, isRight]) => isRight),
        { resamples: 1 },
      );
      if (wins.length === 0) expect(area).toBeUndefined();
      else expect(area!.value).toBeCloseTo(wins.reduce<number>((sum, win) => sum + win, 0) / wins.length, 12);
    }),
  );
});

test("the interval is as wide as Hanley and McNeil's standard error says", () => {
  const { scores, outcomes } = golden[1]!;
  const right = outcomes.map((outcome) => outcome === 1);
  const { low, high, value } = areaUnderRoc(scores, right, { seed: 1 })!;
  const count = right.filter(Boolean).length;
  const [q1, q2] = [value / (2 - value), (2 * value ** 2) / (1 + value)];
  const others = right.length - count;
  const variance =
    (value * (1 - value) + (count - 1) * (q1 - value ** 2) + (others - 1) * (q2 - value ** 2)) /
    (count * others);
  expect((high - low) / (2 * 1.96 * Math.sqrt(variance))).toBeGreaterThan(0.85);
  expect((high - low) / (2 * 1.96 * Math.sqrt(variance))).toBeLessThan(1.15);
});

test("scores of a group are drawn together, so copies make nothing surer", () => {
  const scores = [0.1, 0.4, 0.35, 0.8, 0.6, 0.7];
  const right = [false, false, true, true, false, true];
  const twice = <T>(values: readonly T[]) => [...values, ...values];
  const once = areaUnderRoc(scores, right, { seed: 2 })!;
  const copied = areaUnderRoc(twice(scores), twice(right), { seed: 2, groups: twice(scores) });
  expect(copied).toEqual(once);
});

test("what is no scores with outcomes is refused", () => {
  expect(() => calibrate([], [])).toThrow(RangeError);
  expect(() => calibrate([0.5], [])).toThrow(RangeError);
  expect(() => calibrate([1.5], [1])).toThrow(RangeError);
  expect(() => areaUnderRoc([0.5], [])).toThrow(RangeError);
  expect(() => areaUnderRoc([Number.NaN], [true])).toThrow(RangeError);
});
