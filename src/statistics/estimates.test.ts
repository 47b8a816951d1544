import { expect, test } from "vitest";
import { averageOfIndependent, averageOfSameItems, differenceOf, excludesZero } from "./estimates.ts";
import { wilsonInterval } from "./wilson.ts";

const share = (successes: number, n: number) => ({ value: successes / n, ...wilsonInterval(successes, n) });

test("a difference of shares has Newcombe's interval", () => {
  // Newcombe 1998, table II, method 10.
  const examples = [
    [56, 70, 48, 80, 0.0524, 0.3339],
    [9, 10, 3, 10, 0.1705, 0.809],
    [10, 10, 0, 10, 0.6075, 1],
    [0, 10, 0, 10, -0.2775, 0.2775],
  ] as const;
  for (const [a, m, b, n, low, high] of examples) {
    const difference = differenceOf(share(a, m), share(b, n));
    expect(difference.low).toBeCloseTo(low, 4);
    expect(difference.high).toBeCloseTo(high, 4);
  }
});

test("the mean of independent estimates is surer than each", () => {
  const one = { value: 2, low: -1, high: 4 };
  const four = averageOfIndependent([one, one, one, one]);
  expect(four).toEqual({ value: 2, low: 0.5, high: 3 });
});

test("the mean of estimates from the same items is no surer than they are", () => {
  const pooled = averageOfSameItems([
    { value: 1, low: -1, high: 2 },
    { value: 3, low: 0, high: 5 },
  ]);
  expect(pooled).toEqual({ value: 2, low: -0.5, high: 3.5 });
});

test("an interval that ends at zero holds it", () => {
  expect(excludesZero({ value: 1, low: 0, high: 2 })).toBe(false);
  expect(excludesZero({ value: 1, low: 0.1, high: 2 })).toBe(true);
  expect(excludesZero({ value: -1, low: -2, high: -0.1 })).toBe(true);
});
