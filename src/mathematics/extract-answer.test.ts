import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { equalAnswers } from "./equal-answers.ts";
import { extractAnswer } from "./extract-answer.ts";
import { judge } from "./judge.ts";

const { raw } = String;

/** Made by math-verify; see reference/math_answers.py. */
const golden: { texts: [text: string, gold: string, isRight: boolean, extracted: string | null][] } =
  JSON.parse(readFileSync("fixtures/math-answers.json", "utf8"));

/** Texts in which math-verify finds another answer, with the one that is found here and the reason. */
const disagreements: readonly (readonly [text: string, answer: string, reason: string])[] = [
  [
    raw`First \boxed{1}, no: the sum is then \boxed{\frac{1}{2}}.`,
    raw`\frac{1}{2}`,
    "it joins boxes that are near each other",
  ],
  [raw`The solutions are \boxed{1} and \boxed{2}.`, "2", "the same, and it is right in doing so here"],
  [raw`\fbox{7}`, "7", "it knows no \\fbox"],
  [raw`\boxed{5`, "5", "it looks for no number where there is a box"],
  ["The answer is **18**.", "18", "it keeps two of the asterisks in the text, not in the number"],
  [raw`the answer is 2\pi`, raw`2\pi`, "it takes the number alone if there are no dollars"],
  ["The answer is (1, 2).", "(1, 2)", "the same"],
  ["The answer is 1.5 x 10^3.", "1.5 x 10^3", "the same"],
  ["x = 5-3", "3", "it takes the last sum; here the last number counts"],
  [raw`We have \(x^2 + 1\).`, "1", "it takes the last formula; here the last number counts"],
  ["2024-05-17", "17", "it takes it for a difference"],
];

test("as math-verify finds, but for disagreements with their reasons", () => {
  const found = golden.texts.filter(([text, gold, isRight, extracted]) => {
    const answer = extractAnswer(text);
    const isSame = extracted === null ? answer === undefined : equalAnswers(answer ?? "", extracted);
    return judge(text, gold) !== isRight || !isSame;
  });
  const listed = disagreements.map(([text]) => text);
  expect(found.map(([text]) => text).toSorted()).toEqual(listed.toSorted());
  for (const [text, answer] of disagreements) expect(extractAnswer(text)).toBe(answer);
});

describe("an answer", () => {
  test.each([
    [raw`\boxed{1} and \boxed{\boxed{2}}`, "2"],
    [raw`\boxed{\left\{1, 2\right.} and more }`, raw`\left\{1, 2\right.`],
    [raw`\boxed{1} and \boxed{2`, "1"],
    [raw`\boxed 12 pens`, "12"],
    ["The answer is 3. Then 4 and 5.", "3"],
    ["The answer is $18, and not $20.", "18"],
    ["The answer is 2 or 3.", "2 or 3"],
    ["The answer is 3 1/2 cups.", "3 1/2"],
    ["The answer is blue.", "blue"],
    ["**Answer**: 25 %", "25 %"],
    ["My answer would be 7, or 8", "8"],
    ["#### 1. Count\nthere are 5\n#### 2. Add\n7 in all", "7"],
    ["### 4\n##### 5\n3 pens", "3"],
    ["#### yes", "yes"],
    ["-$5", "-5"],
    ["$-5", "-5"],
    ["10-4", "4"],
    [raw`It is -\frac{3}{4}`, raw`-\frac{3}{4}`],
    ["x1 and CO2", undefined],
    [" ", undefined],
  ])("of %j is %j", (text, answer) => {
    expect(extractAnswer(text)).toBe(answer);
  });

  test("counts by the markers that are asked for, in their order", () => {
    expect(extractAnswer("3 + 4 = 7", { markers: ["boxed", "answer is"] })).toBeUndefined();
    const text = "The answer is 3.\n#### 4\n5";
    expect(extractAnswer(text, { markers: ["####", "answer is"] })).toBe("4");
    expect(extractAnswer(text, { markers: ["last number"] })).toBe("5");
    expect(judge(text, "4")).toBe(false);
    expect(judge(text, "4", { markers: ["####"] })).toBe(true);
  });

  test("is the last program's output, as TATA takes it", () => {
    const text = "```python\nprint(1)\n```\n```output\n1\n```\nthen\n```output\n[2, 3]\n```\nof 4";
    expect(extractAnswer(text, { markers: ["boxed", "answer is", "output", "last number"] })).toBe("[2, 3]");
    expect(extractAnswer("4", { markers: ["output", "last number"] })).toBe("4");
  });

  test.each([
    raw`\boxed{`,
    raw`answer is \[`,
    "answer: ",
    "#### ab\n",
    "```output\n",
    raw`\frac{1`,
    "$1",
    "1,111",
    "}{",
    "answer **",
    " ",
  ])("is looked for in ten million characters of %j for a moment only", (part) => {
    const text = part.repeat(10_000_000 / part.length);
    const before = process.cpuUsage();
    extractAnswer(text, { markers: ["boxed", "answer is", "####", "output", "last number"] });
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(3);
  });
});
