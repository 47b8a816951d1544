import fc from "fast-check";
import { expect, test } from "vitest";
import { golden } from "./golden.fixture.ts";
import { wilsonInterval } from "./wilson.ts";

test("intervals equal statsmodels'", () => {
  for (const { successes, n, level, low, high } of golden.wilson) {
    const interval = wilsonInterval(successes, n, level);
    expect(interval.low).toBeCloseTo(low, 14);
    expect(interval.high).toBeCloseTo(high, 14);
  }
});

test("an interval holds the share, stays within 0 and 1, and mirrors that of the failures", () => {
  const counts = fc
    .integer({ min: 1, max: 20_000 })
    .chain((n) => fc.tuple(fc.integer({ min: 0, max: n }), fc.constant(n)));
  fc.assert(
    fc.property(counts, ([successes, n]) => {
      const { low, high } = wilsonInterval(successes, n);
      expect(low).toBeGreaterThanOrEqual(0);
      expect(low).toBeLessThanOrEqual(successes / n);
      expect(high).toBeGreaterThanOrEqual(successes / n);
      expect(high).toBeLessThanOrEqual(1);
      expect(wilsonInterval(n - successes, n).low).toBeCloseTo(1 - high, 12);
    }),
  );
});

test("counts that are no share and levels that are no confidence are refused", () => {
  for (const [successes, n] of [
    [1, 0],
    [3, 2],
    [-1, 2],
    [1, 2.5],
  ] as const) {
    expect(() => wilsonInterval(successes, n)).toThrow(RangeError);
  }
  expect(() => wilsonInterval(1, 2, 95)).toThrow(RangeError);
});
