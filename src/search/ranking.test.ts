import { expect, test } from "vitest";
import { aggregateRewards, weightedVote } from "./ranking.ts";

test.each([
  ["last", 0.4],
  ["min", 0.2],
  ["product", 0.9 * 0.2 * 0.4],
] as const)("by %s", (by, expected) => {
  expect(aggregateRewards([0.9, 0.2, 0.4], by)).toBeCloseTo(expected, 12);
  expect(aggregateRewards([], by)).toBe(0);
});

test("answers that are the same weigh together, and silence does not vote", () => {
  const given = [
    { answer: "5", weight: 0.5 },
    { answer: undefined, weight: 9 },
    { answer: "7", weight: 0.25 },
    { answer: "7.0", weight: 0.5 },
    { answer: "8", weight: 0.5 },
  ];
  expect(weightedVote(given, (a, b) => Number(a) === Number(b))).toEqual([
    { answer: "7", weight: 0.75 },
    { answer: "5", weight: 0.5 },
    { answer: "8", weight: 0.5 },
  ]);
});
