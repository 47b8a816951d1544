import { expect, test } from "vitest";
import { detectableMeanDifference, detectableShareDifference } from "./detectable-difference.ts";
import { golden } from "./golden.fixture.ts";

test("the formula is the one whose power was simulated, and the exact test reached it to 3 points", () => {
  for (const { n, discordant, difference, power } of golden.power) {
    expect(detectableShareDifference(discordant, n)).toBeCloseTo(difference, 12);
    expect(Math.abs(power - 0.8)).toBeLessThan(0.03);
  }
});

test("412 items of which a fifth differ could have shown 6.2 points", () => {
  expect(detectableShareDifference(0.2 * 412, 412)).toBeCloseTo(0.062, 3);
});

test("for values of any kind it goes by the standard deviation of the differences", () => {
  // Of 0, 1, ..., 99 the variance is 100 * 101 / 12.
  const differences = Array.from({ length: 100 }, (_, i) => i);
  const standardError = Math.sqrt((100 * 101) / 12 / 100);
  expect(detectableMeanDifference(differences)).toBeCloseTo(2.801585 * standardError, 5);
});

test("without any variation nothing can be said", () => {
  expect(detectableShareDifference(0, 50)).toBeUndefined();
  expect(detectableMeanDifference([1])).toBeUndefined();
  expect(detectableMeanDifference([1, 1, 1])).toBeUndefined();
});

test("a difference is at most the whole, and counts that are no share are refused", () => {
  expect(detectableShareDifference(2, 2)).toBe(1);
  expect(() => detectableShareDifference(3, 2)).toThrow(RangeError);
  expect(() => detectableShareDifference(0, 0)).toThrow(RangeError);
});
