import { expect, test } from "vitest";
import { createRandom } from "../core/random.ts";
import { crossedBootstrap, pAboveZero, pNotZero } from "./crossed-bootstrap.ts";
import { golden, pairedDifferences } from "./golden.fixture.ts";
import { pairedBootstrap, percentileInterval } from "./paired-bootstrap.ts";

const ones = (count: number) => new Float64Array(count).fill(1);

test("with one seed its intervals are those of the paired bootstrap", () => {
  for (const pair of golden.bootstrap) {
    const values = Float64Array.from(pairedDifferences(pair));
    const [draws] = crossedBootstrap([[values]], ones(values.length), { seed: 1 });
    const mean = (drawn: Uint32Array) => drawn.reduce((sum, i) => sum + values[i]!, 0) / drawn.length;
    const [one, other] = [percentileInterval(draws!), pairedBootstrap(values.length, mean, { seed: 2 })];
    const tolerance = 0.06 * (other.high - other.low);
    expect(Math.abs(one.low - other.low)).toBeLessThan(tolerance);
    expect(Math.abs(one.high - other.high)).toBeLessThan(tolerance);
  }
});

test("models have the same draws, so what they have in common cancels out", () => {
  const random = createRandom(3);
  const sizes = Float64Array.from({ length: 30 }, () => 1 + random.below(9));
  const runs = [0, 1, 2].map(() => sizes.map((size) => size * random.normal()));
  const better = runs.map((values) => values.map((value, i) => value + 0.25 * sizes[i]!));
  const [one, other] = crossedBootstrap([runs, better], sizes, { resamples: 200 });
  for (const [i, value] of one!.entries()) expect(other![i]! - value).toBeCloseTo(0.25, 12);
});

test("the variance is that of items and of seeds, also of two of them", () => {
  const deviationOf = (draws: Float64Array) => {
    const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length;
    return Math.sqrt(draws.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws.length);
  };
  // Seeds alone differ: the standard error of their mean is s / √n, s = √2 (n = 2) or √(5/2) (n = 5).
  for (const [levels, error] of [
    [[0, 2], 1],
    [[0, 1, 2, 3, 4], Math.sqrt(2.5 / 5)],
  ] as const) {
    const runs = levels.map((level) => ones(7).map(() => level));
    const [draws] = crossedBootstrap([runs], ones(7));
    expect(Math.abs(deviationOf(draws!) / error - 1)).toBeLessThan(0.03);
  }
});

test("95 % intervals hold the mean of items and seeds about that often", () => {
  const random = createRandom(7);
  const experiments = 300;
  let covered = 0;
  for (let experiment = 0; experiment < experiments; experiment++) {
    const items = Array.from({ length: 60 }, () => 0.5 * random.normal());
    const runs = Array.from({ length: 5 }, () => {
      const ofSeed = 0.1 * random.normal();
      return Float64Array.from(items, (ofItem) => ofItem + ofSeed + 0.5 * random.normal());
    });
    const [draws] = crossedBootstrap([runs], ones(60), { seed: experiment, resamples: 400 });
    const { low, high } = percentileInterval(draws!);
    if (low <= 0 && 0 <= high) covered++;
  }
  expect(Math.abs(covered / experiments - 0.95)).toBeLessThan(4 * Math.sqrt((0.05 * 0.95) / experiments));
});

test("p-values are those of the intervals", () => {
  const draws = Float64Array.from({ length: 999 }, (_, i) => i - 19);
  expect(pAboveZero(draws)).toBe((2 * 21) / 1000);
  expect(pNotZero(draws)).toBe((2 * 21) / 1000);
  expect(percentileInterval(draws).low).toBeGreaterThan(0);
  expect(pAboveZero(draws.map((value) => -value))).toBe(1);
  expect(pNotZero(draws.map((value) => -value))).toBe((2 * 21) / 1000);
  expect(pNotZero(new Float64Array(99))).toBe(1);
  expect(pNotZero(new Float64Array(99).fill(3))).toBe(2 / 100);
});

test("models without the same items and seeds are refused", () => {
  for (const models of [[], [[]], [[ones(3)], [ones(3), ones(3)]], [[ones(2)]]])
    expect(() => crossedBootstrap(models, ones(3))).toThrow(RangeError);
  expect(() => crossedBootstrap([[ones(0)]], ones(0))).toThrow(RangeError);
});
