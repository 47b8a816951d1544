import { expect, test } from "vitest";
import { createRandom } from "../core/random.ts";
import { golden, pairedDifferences } from "./golden.fixture.ts";
import { pairedBootstrap } from "./paired-bootstrap.ts";

const meanOf = (values: readonly number[]) => (drawn: Uint32Array) => {
  let sum = 0;
  for (const place of drawn) sum += values[place]!;
  return sum / drawn.length;
};

test("intervals equal SciPy's within the error of the resampling", () => {
  for (const { low, high, ...pair } of golden.bootstrap) {
    const differences = pairedDifferences(pair);
    const n = differences.length;
    const mean = differences.reduce((sum, value) => sum + value, 0) / n;
    const deviation = Math.sqrt(differences.reduce((sum, value) => sum + (value - mean) ** 2, 0)) / n;
    // The standard error of a quantile is √(q (1 - q) / resamples) / density, with the normal's density at z(0.975);
    // 4 of them, and one step of the mean of a binary metric.
    const standardError = Math.sqrt((0.025 * 0.975) / 10_000) / (0.05845 / deviation);
    const tolerance = 4 * standardError + (differences.every(Number.isInteger) ? 1 / n : 0);
    const interval = pairedBootstrap(n, meanOf(differences), { seed: 1 });
    expect(Math.abs(interval.low - low)).toBeLessThan(tolerance);
    expect(Math.abs(interval.high - high)).toBeLessThan(tolerance);
  }
});

test("a seed gives the same interval again, another seed another", () => {
  const differences = pairedDifferences(golden.bootstrap[1]!);
  const draw = (seed: number) => pairedBootstrap(80, meanOf(differences), { seed, resamples: 500 });
  expect(draw(5)).toEqual(draw(5));
  expect(draw(5)).not.toEqual(draw(6));
});

test("items that all differ alike leave no doubt", () => {
  expect(pairedBootstrap(10, meanOf(new Array(10).fill(2)), { resamples: 100 })).toEqual({ low: 2, high: 2 });
});

test("the interval covers the true difference as often as its level says", () => {
  // 200 experiments of 100 items with a difference of 0.2 of standard deviation 1.
  const random = createRandom(7);
  let covered = 0;
  for (let experiment = 0; experiment < 200; experiment++) {
    const values = Array.from({ length: 100 }, () => 0.2 + random.normal());
    const { low, high } = pairedBootstrap(100, meanOf(values), {
      resamples: 400,
      seed: experiment,
      level: 0.9,
    });
    if (low <= 0.2 && 0.2 <= high) covered++;
  }
  expect(Math.abs(covered / 200 - 0.9)).toBeLessThan(4 * Math.sqrt((0.9 * 0.1) / 200));
});

test("no items, no resamples and levels that are no confidence are refused", () => {
  expect(() => pairedBootstrap(0, () => 0)).toThrow(RangeError);
  expect(() => pairedBootstrap(3, () => 0, { resamples: 0 })).toThrow(RangeError);
  expect(() => pairedBootstrap(3, () => 0, { level: 95 })).toThrow(RangeError);
});
