import fc from "fast-check";
import { expect, test } from "vitest";
import { paretoFront } from "./pareto.ts";

type Point = readonly [cost: number, score: number];
const front = (points: readonly Point[]) =>
  paretoFront(
    points,
    ([cost]) => cost,
    ([, score]) => score,
  );

test("what costs more and scores no better is not on the front", () => {
  const cheap = [1, 2] as const;
  const good = [4, 5] as const;
  expect(front([good, [5, 5], [3, 2], cheap, [2, 1]])).toEqual([cheap, good]);
});

test("equal points are all on it", () => {
  expect(
    front([
      [1, 1],
      [1, 1],
    ]),
  ).toHaveLength(2);
  expect(front([])).toEqual([]);
});

test("along the front cost and score rise together, and every point is beaten or on it", () => {
  const level = fc.integer({ min: 0, max: 6 });
  fc.assert(
    fc.property(fc.array(fc.tuple(level, level), { minLength: 1 }), (points) => {
      const best = front(points);
      expect(best.length).toBeGreaterThan(0);
      for (const [i, [cost, score]] of best.entries()) {
        if (i > 0) expect(Math.sign(cost - best[i - 1]![0])).toBe(Math.sign(score - best[i - 1]![1]));
      }
      for (const [cost, score] of points) {
        expect(best.some(([c, s]) => c <= cost && s >= score)).toBe(true);
      }
    }),
  );
});
