import { expect, test } from "vitest";
import { createRandom } from "../../core/random.ts";
import { type Aptitude, decide, parseDecision, shuffleChoice } from "./decision.ts";

/** With differences of -0.4, 0.1, 0, 0.5 and 0. */
const aptitudes: Aptitude[] = [
  { words: 0.1, program: 0.5 },
  { words: 0.5, program: 0.4 },
  { words: 0, program: 0 },
  { words: 0.5, program: 0 },
  { words: 0.25, program: 0.25 },
];
const chosen = (name: string) =>
  decide(parseDecision(name, "study.yaml"), aptitudes).map((manners) => manners.join("+"));

test("queries are chosen by the quantiles of the difference of their aptitudes", () => {
  expect(chosen("words:25")).toEqual(["words+program", "words", "words", "words", "words"]);
  expect(chosen("one:25")).toEqual(["program", "words", "words", "words", "words"]);
  expect(chosen("programs:75")).toEqual(["program", "program", "program", "words+program", "program"]);
  // 0.06 lies between the third and the fourth difference.
  expect(chosen("one:65")).toEqual(["program", "words", "program", "words", "program"]);
});

test("at the ends nothing is below the quantile, or all but the largest", () => {
  expect(chosen("one:0")).toEqual(Array(5).fill("words"));
  expect(chosen("one:100")).toEqual(["program", "program", "program", "words", "program"]);
  expect(chosen("programs:100")).toEqual(Array(5).fill("program"));
});

test.for(["words", "words:101", "word:30", "one:-1", "one:half"])("%s is no decision", (name) => {
  expect(() => parseDecision(name, "study.yaml")).toThrow(`study.yaml: "${name}" is no decision; write`);
});

test("a random choice has the same size and shares, and another order with each draw", () => {
  const choice = Array.from({ length: 60 }, (_, i) =>
    i < 20 ? (["program"] as const) : (["words"] as const),
  );
  const draws = [1, 2, 3].map((draw) => shuffleChoice(choice, createRandom(0, draw)));
  for (const draw of draws) expect(draw.filter(([manner]) => manner === "program")).toHaveLength(20);
  expect(new Set([choice, ...draws].map((one) => JSON.stringify(one))).size).toBe(4);
});
