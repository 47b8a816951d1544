import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { certainty, countVotes, leadProbability } from "./votes.ts";

/** Made by reference/reasoning.py with SciPy. */
const golden: {
  readonly certainty: readonly { readonly counts: readonly number[]; readonly certainty: number }[];
  readonly lead: readonly Readonly<Record<"first" | "second" | "probability", number>>[];
} = JSON.parse(readFileSync("fixtures/reasoning.json", "utf8"));

test.each(golden.certainty)("the certainty of $counts is $certainty", (each) => {
  expect(certainty(each.counts)).toBeCloseTo(each.certainty, 12);
});

test("the lead of an answer is SciPy's incomplete beta function", () => {
  for (const { first, second, probability } of golden.lead)
    expect(leadProbability(first, second)).toBeCloseTo(probability, 12);
});

test("votes are counted by what is the same, and of equals the first stands first", () => {
  const equal = (a: string, b: string) => Number(a) === Number(b);
  expect(countVotes(["2", "7", undefined, "7.0", "2.0", "1"], equal)).toEqual([
    { answer: "2", count: 2 },
    { answer: "7", count: 2 },
    { answer: "1", count: 1 },
  ]);
  expect(countVotes([undefined], equal)).toEqual([]);
});
