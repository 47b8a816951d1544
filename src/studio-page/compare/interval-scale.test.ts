import fc from "fast-check";
import { expect, test } from "vitest";
import { createIntervalScale } from "./interval-scale.ts";

test("ticks are round and have zero and all intervals between them", () => {
  const { ticks, digits, place } = createIntervalScale([
    { low: -3.1, high: 8 },
    { low: 1, high: 22 },
  ]);
  expect(ticks).toEqual([-5, 0, 5, 10, 15, 20, 25]);
  expect(digits).toBe(0);
  expect([-5, 0, 10, 25].map(place)).toEqual([0, expect.closeTo(100 / 6), 50, 100]);
  expect(createIntervalScale([{ low: 0.001, high: 0.012 }])).toMatchObject({ digits: 3 });
});

test("an interval of one point, and none at all, have an axis too", () => {
  expect(createIntervalScale([{ low: 0, high: 0 }]).ticks.length).toBeGreaterThan(1);
  expect(createIntervalScale([]).place(0)).toBe(0);
});

test("whatever the intervals, each lies within the width and few ticks are to be read", () => {
  const ends = fc.double({ min: -1e6, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(fc.array(fc.tuple(ends, ends), { maxLength: 8 }), (pairs) => {
      const intervals = pairs.map(([a, b]) => ({ low: Math.min(a, b), high: Math.max(a, b) }));
      const { ticks, place } = createIntervalScale(intervals);
      expect(ticks.length).toBeLessThan(10);
      for (const value of [0, ...intervals.flatMap(({ low, high }) => [low, high])]) {
        expect(place(value)).toBeGreaterThan(-1e-6);
        expect(place(value)).toBeLessThan(100 + 1e-6);
      }
    }),
  );
});
