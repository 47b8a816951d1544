import fc from "fast-check";
import { expect, test } from "vitest";
import { describeDistribution, sumOfIndependent } from "./distribution.ts";
import { combine, cutIntoPieces } from "./pieces.ts";
import type { Dimension } from "./rubric.ts";

const countWords = (text: string) => text.split(/\s+/).filter((word) => word !== "").length;
const textOf = (lengths: readonly number[]) => ({
  id: "a",
  group: "a",
  turns: lengths.map((length) => ({ speaker: "T", role: "t", text: "word ".repeat(length).trim() })),
});

test("pieces hold at most their tokens, and all turns whole, in order", () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(lengths, fc.integer({ min: 10, max: 30 }), (lengths, limit) => {
      const text = textOf(lengths);
      const pieces = cutIntoPieces(text, limit, countWords);
      expect(pieces.flatMap(({ turns }) => turns)).toEqual(text.turns);
      const sizes = pieces.map(({ turns }) => turns.reduce((sum, { text }) => sum + countWords(text) + 1, 0));
      for (const [i, { turns, first }] of pieces.entries()) {
        expect(text.turns[first]).toBe(turns[0]);
        expect(sizes[i]).toBeLessThanOrEqual(limit);
        const next = pieces[i + 1]?.turns[0];
        if (next) expect(sizes[i]! + countWords(next.text) + 1).toBeGreaterThan(limit);
      }
    }),
  );
  expect(cutIntoPieces(textOf([50]), undefined, countWords)).toHaveLength(1);
});

test("a turn that is longer than pieces is refused", () => {
  expect(() => cutIntoPieces(textOf([3, 20]), 10, countWords)).toThrow(
    "The text a: turn 2 has 21 tokens, which pieces of 10 cannot hold; raise --context.",
  );
});

const level = (level: number, least: number, most: number) => ({
  level,
  description: "",
  counts: { least, most },
});
const counted: Dimension = {
  ...{ name: "press", question: "Why?", codes: [] },
  levels: [level(1, 0, 0), level(2, 1, 2), level(3, 3, Number.POSITIVE_INFINITY)],
};
const plain: Dimension = {
  ...counted,
  levels: [1, 2, 3, 4].map((level) => ({ level, description: "" })),
};
const found = (least: number, most = least) => ({ least, most, evidence: [] });

test("counts of pieces are added, and what cannot be read matters only where it decides", () => {
  expect(combine(counted, [found(1), found(1)]).level).toBe(2);
  expect(combine(counted, [found(2), found(1)]).level).toBe(3);
  expect(combine(counted, [found(1, 2), found(0)]).level).toBe(2);
  expect(combine(counted, [found(1, 2), found(1)]).level).toBeNull();
  expect(combine(counted, [found(0, Number.POSITIVE_INFINITY), found(0)]).level).toBeNull();
  expect(combine(counted, [found(0, Number.POSITIVE_INFINITY), found(3)]).level).toBe(3);
});

test("levels that stand for no counts are averaged", () => {
  expect(combine(plain, [found(3), found(0)]).level).toBe(3);
  expect(combine(plain, [found(1), found(1), found(2)]).level).toBe(2);
  expect(combine(plain, [found(0, 3)]).level).toBeNull();
});

test("the level's distribution is that of the sum", () => {
  const parts = [
    { ...found(1), distribution: [0.2, 0.8] },
    { ...found(2), distribution: [0.5, 0, 0.5] },
  ];
  const { probabilities, expected, deviation } = combine(counted, parts);
  expect(probabilities!.map((p) => Number(p.toFixed(12)))).toEqual([0.1, 0.5, 0.4]);
  expect(expected).toBeCloseTo(2.3, 12);
  expect(deviation).toBeCloseTo(Math.sqrt(0.1 * 1.3 ** 2 + 0.5 * 0.3 ** 2 + 0.4 * 0.7 ** 2), 12);
  expect(combine(counted, [parts[0]!, found(0)])).toMatchObject({ probabilities: null, expected: null });
});

test("a sum's mean and variance are those of its parts", () => {
  const distribution = fc
    .array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 })
    .map((weights) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      return weights.map((weight) => weight / total);
    });
  fc.assert(
    fc.property(fc.array(distribution, { maxLength: 6 }), (parts) => {
      const whole = describeDistribution(sumOfIndependent(parts));
      const single = parts.map(describeDistribution);
      expect(whole.mean).toBeCloseTo(
        single.reduce((sum, { mean }) => sum + mean, 0),
        9,
      );
      expect(whole.deviation ** 2).toBeCloseTo(
        single.reduce((sum, { deviation }) => sum + deviation ** 2, 0),
        9,
      );
    }),
  );
});
