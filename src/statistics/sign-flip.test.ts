import { expect, test } from "vitest";
import { golden, pairedDifferences } from "./golden.fixture.ts";
import { signFlipTest } from "./sign-flip.ts";

test("p-values equal SciPy's permutation test within the error of the drawing", () => {
  for (const { p, ...pair } of golden.signFlip) {
    const standardError = Math.sqrt((p * (1 - p)) / 10_000);
    expect(Math.abs(signFlipTest(pairedDifferences(pair), { seed: 1 }) - p)).toBeLessThan(4 * standardError);
  }
});

test("of few items it comes near the exact share of the assignments", () => {
  // Of the 16 assignments of signs to 1, 2, 3, 4 only the observed one and its opposite are as far from 0.
  expect(signFlipTest([1, 2, 3, 4])).toBeCloseTo(2 / 16, 1);
  expect(signFlipTest([0.1, 0.2, 0.3])).toBeCloseTo(2 / 8, 1);
});

test("no difference in any item is p = 1, and the smallest possible is 1 / (flips + 1)", () => {
  expect(signFlipTest([0, 0, 0])).toBe(1);
  expect(signFlipTest(new Array(200).fill(0.1), { flips: 99 })).toBe(1 / 100);
});

test("a seed gives the same p-value again", () => {
  const differences = pairedDifferences(golden.signFlip[0]!);
  expect(signFlipTest(differences, { seed: 3 })).toBe(signFlipTest(differences, { seed: 3 }));
});

test("no items and differences that are not finite are refused", () => {
  expect(() => signFlipTest([])).toThrow(RangeError);
  expect(() => signFlipTest([1, Number.NaN])).toThrow(RangeError);
  expect(() => signFlipTest([1], { flips: 0 })).toThrow(RangeError);
});
