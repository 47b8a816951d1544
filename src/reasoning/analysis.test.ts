import fc from "fast-check";
import { expect, test } from "vitest";
import {
  accuracyAt,
  binByDifficulty,
  drawCurve,
  gainsAtEqualBudget,
  type SolvedProblem,
  tokensFor,
} from "./analysis.ts";
import { createMeter } from "./meter.ts";

type Place = readonly [isRight: boolean, tokens: number];

const solvedBy = (strategy: string, places: readonly Place[], more: Partial<SolvedProblem> = {}) =>
  places.map(
    ([isRight, tokens], i): SolvedProblem => ({
      ...{ strategy, task: "sums", id: String(i), question: "?", gold: "7", steps: 1 + (i % 3) },
      ...{ answer: "7", isRight, isCut: false, text: "7", target: null, details: {}, trace: [] },
      usage: { ...createMeter(), completionTokens: tokens, seconds: 1 },
      computedTokens: 2 * tokens + 10,
      ...more,
    }),
  );

/** Strategies that get the first so many of 20 problems right, with so many tokens each. */
const facts = (name: string, isBaseline = false, isOracle = false) => ({ name, isBaseline, isOracle });
const level = (right: number, tokens: number) =>
  Array.from({ length: 20 }, (_, i): Place => [i < right, tokens]);

test("accuracy and tokens are interpolated between the points that no other beats", () => {
  const points = [
    [10, 0.2],
    [30, 0.6],
    [20, 0.1],
    [40, 0.5],
  ] as const;
  expect(accuracyAt(20, points)).toBeCloseTo(0.4, 12);
  expect(accuracyAt(100, points)).toBe(0.6);
  expect(accuracyAt(9, points)).toBeNaN();
  expect(tokensFor(0.4, points)).toBeCloseTo(20, 12);
  expect(tokensFor(0.1, points)).toBe(10);
  expect(tokensFor(0.7, points)).toBeNaN();
  expect(accuracyAt(9, [])).toBeNaN();
});

test("on the baselines' own line, equal tokens and equal accuracy say nothing is gained", () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(share, (place) => {
      const points = [
        [10, 0.2],
        [30, 0.6],
      ] as const;
      const tokens = 10 + 20 * place;
      expect(tokensFor(accuracyAt(tokens, points), points)).toBeCloseTo(tokens, 9);
    }),
  );
});

test("curves are over written tokens, or over all that there were to compute", () => {
  const rows = solvedBy("cot", level(16, 100));
  expect(drawCurve([facts("cot")], [rows])[0]!.tokens.value).toBe(100);
  expect(drawCurve([facts("cot")], [rows], "computed")[0]!.tokens.value).toBe(210);
  expect(binByDifficulty([rows], "computed")[0]!.points[0]!.tokens).toBe(210);
});

test("a saving is a saving against the baselines, with an interval, and oracles are on no front", () => {
  const strategies = [facts("cot", true), facts("cut", true), facts("short"), facts("knowing", false, true)];
  const [cot, cut, short, knowing] = drawCurve(strategies, [
    solvedBy("cot", level(16, 100)),
    solvedBy("cut", level(8, 40)),
    solvedBy("short", level(12, 50)),
    solvedBy("knowing", level(20, 10)),
  ]) as [P, P, P, P];
  type P = ReturnType<typeof drawCurve>[0];
  expect(cot.accuracy.value).toBe(0.8);
  expect(cot.againstFirst).toBeNull();
  expect([cot, cut, short, knowing].map(({ isOnFront }) => isOnFront)).toEqual([true, true, true, false]);
  expect(short.againstFirst!.tokens).toEqual({ value: -50, low: -50, high: -50 });
  expect(short.againstFirst!.accuracy.value).toBeCloseTo(-0.2, 12);
  // At 50 tokens the baselines reach 0.4 + 0.4 / 6, and 0.6 at 70.
  expect(short.accuracyAtEqualTokens!.value).toBeCloseTo(0.2 - 0.4 / 6, 12);
  expect(short.accuracyAtEqualTokens!.low).toBeLessThan(0.13);
  expect(short.accuracyAtEqualTokens!.high).toBeGreaterThan(0.14);
  expect(short.tokensAtEqualAccuracy!.value).toBeCloseTo(-20, 9);
  // 10 tokens lie below what the baselines take.
  expect(knowing.accuracyAtEqualTokens).toBeNull();
  expect(knowing.tokensAtEqualAccuracy).toBeNull();
});

test("shares, aims and costs are summed up", () => {
  const rows = solvedBy("budget", level(10, 30)).map((row, i) => ({
    ...row,
    isCut: i < 5,
    answer: i < 2 ? null : "7",
    target: i < 10 ? { tokens: 20, used: 30 } : i < 15 ? { tokens: 40, used: 40 } : null,
  }));
  const [point] = drawCurve([facts("budget")], [rows]);
  expect(point).toMatchObject({ cut: 0.25, unanswered: 0.1, usage: { completionTokens: 30, seconds: 20 } });
  expect(point!.compliance).toBeCloseTo((10 * 0.5) / 15, 12);
});

test("problems are put together by the calculations of their solutions", () => {
  const bins = binByDifficulty([solvedBy("cot", level(20, 30)), solvedBy("sc", level(0, 60))]);
  expect(bins.map(({ label, problems }) => [label, problems])).toEqual([
    ["1 calculation", 7],
    ["2 calculations", 7],
    ["3 or 4 calculations", 6],
  ]);
  expect(bins[0]!.points).toEqual([
    { strategy: "cot", accuracy: 1, tokens: 30 },
    { strategy: "sc", accuracy: 0, tokens: 60 },
  ]);
  expect(binByDifficulty([solvedBy("cot", level(1, 1), { steps: null })])).toEqual([]);
});

test("gains over whole solutions are pairs under the same budget, shown where their interval excludes zero", () => {
  const held = (name: string, budget: number, drawsWholes = false) => ({
    ...facts(name),
    ...{ budget, drawsWholes },
  });
  const strategies = [
    facts("greedy"),
    held("sc:8@100", 100, true),
    held("tree@100", 100),
    held("better@100", 100),
    held("tree@200", 200),
  ];
  const right = [16, 8, 8, 14, 20];
  const solved = strategies.map(({ name }, i) => solvedBy(name, level(right[i]!, 90)));
  const gains = gainsAtEqualBudget(strategies, solved);
  expect(gains.map(({ strategy, against, isShown }) => [strategy, against, isShown])).toEqual([
    ["tree@100", "sc:8@100", false],
    ["better@100", "sc:8@100", true],
  ]);
  expect(gains[0]).toEqual({
    ...{ task: "sums", strategy: "tree@100", against: "sc:8@100", budget: 100, isShown: false },
    accuracy: { value: 0, low: 0, high: 0 },
  });
  expect(gains[1]!.accuracy.value).toBeCloseTo(6 / 20, 12);
  expect(gains[1]!.accuracy.low).toBeGreaterThan(0.05);
});
