import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { spearman } from "./spearman.ts";

interface Pairs {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** By SciPy (reference/rank_correlation.py). */
const golden: {
  readonly correlation: readonly (Pairs & { readonly value: number })[];
  readonly interval: readonly (Pairs & {
    readonly low: number;
    readonly high: number;
    /** Standard deviation of an end of an interval by 10,000 resamples. */
    readonly deviation: number;
  })[];
} = JSON.parse(readFileSync("fixtures/evaluation/rank-correlation.json", "utf8"));

test("correlations equal SciPy's, with ties", () => {
  for (const { x, y, value } of golden.correlation) {
    expect(spearman(x, y, { resamples: 10 })!.value).toBeCloseTo(value, 12);
  }
});

test("intervals equal SciPy's within the error of the resampling", () => {
  for (const { x, y, low, high, deviation } of golden.interval) {
    const interval = spearman(x, y, { seed: 1 })!;
    expect(Math.abs(interval.low - low)).toBeLessThan(4 * deviation);
    expect(Math.abs(interval.high - high)).toBeLessThan(4 * deviation);
  }
});

test("only the order of the values counts", () => {
  const values = fc.uniqueArray(fc.integer({ min: -1000, max: 1000 }), { minLength: 3, maxLength: 12 });
  fc.assert(
    fc.property(values, (x) => {
      const cubes = x.map((value) => value ** 3);
      const options = { resamples: 50, seed: 3 };
      expect(spearman(x, cubes, options)).toEqual({ value: 1, low: 1, high: 1 });
      expect(
        spearman(
          x,
          cubes.map((value) => -value),
          options,
        ),
      ).toEqual({ value: -1, low: -1, high: -1 });
    }),
  );
});

test("draws without a correlation are left out of the interval", () => {
  // Every fourth draw or so has only the first three, whose second values are equal.
  const { low, high } = spearman([1, 2, 3, 4], [5, 5, 5, 9], { seed: 2 })!;
  expect(low).toBeGreaterThan(0);
  expect(high).toBe(1);
});

test("pairs of a group are drawn together, so copies make nothing surer", () => {
  const [x, y] = [
    [1, 2, 3, 4, 5, 6],
    [2, 1, 4, 3, 6, 5],
  ];
  const thrice = (values: readonly number[]) => values.flatMap((value) => [value, value, value]);
  const groups = thrice(x);
  const once = spearman(x, y, { seed: 4 })!;
  const copied = spearman(thrice(x), thrice(y), { seed: 4, groups })!;
  for (const key of ["value", "low", "high"] as const) expect(copied[key]).toBeCloseTo(once[key], 12);
  const ungrouped = spearman(thrice(x), thrice(y), { seed: 4 })!;
  expect(ungrouped.high - ungrouped.low).toBeLessThan(copied.high - copied.low);
});

test("where there is no correlation, there is none", () => {
  expect(spearman([1, 1, 1, 1], [1, 2, 3, 4])).toBeUndefined();
  expect(spearman([1, 2, 3, 4], [7, 7, 7, 7])).toBeUndefined();
  expect(spearman([1, 2], [1, 2])).toBeUndefined();
  expect(spearman([], [])).toBeUndefined();
});

test("what is no pairs of numbers is refused", () => {
  expect(() => spearman([1, 2, 3], [1, 2])).toThrow(RangeError);
  expect(() => spearman([1, Number.NaN, 3], [1, 2, 3])).toThrow(RangeError);
  expect(() => spearman([1, 2, 3], [1, 2, 3], { groups: [1, 2] })).toThrow(RangeError);
});
