import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { inPlainText, makeGroup } from "./hand-made.fixture.ts";
import { formatRollout, groupRollouts, parseRollouts, readRollouts } from "./rollout.ts";
import { summarizeRollouts } from "./summary.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-rollout-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const groups = [
  makeGroup(0, [40, true], [20, false]),
  inPlainText(makeGroup(1, [10, false, { answer: null }], [30, false, { truncated: true }])),
];
const lines = groups.flat().map(formatRollout);

test("rows in any order are read as groups", () => {
  writeFileSync(join(scratch, "rollouts.jsonl"), [lines[3], lines[1], "\n", lines[2], lines[0]].join(""));
  expect(readRollouts(scratch)).toEqual(groups);
});

describe("rows that are wrong name their line", () => {
  const [first, second] = groups[0]!;
  test.each([
    ["damaged", ['{"problem": 0', lines[0]], "f, line 1 is not valid JSON"],
    ["of another form", [lines[0], '{"problem": 0}'], "f, line 2: id: it is missing."],
    ["with another value", [JSON.stringify({ ...first, tokens: "4" })], "f, line 1: tokens: it is the text"],
    ["twice", [lines[0], lines[0]], "f, line 2: sample 0 of problem 0 stands here for the second time"],
    [
      "of another question",
      [lines[0], JSON.stringify({ ...second, question: "Why?" })],
      "f, line 2: the question is another than that of other samples of problem 0",
    ],
  ])("%s", (_, rows, message) => {
    expect(() => parseRollouts(rows.map((row) => row!.trim()).join("\n"), "f")).toThrow(message);
  });
});

test("a folder without rollouts is refused", () => {
  writeFileSync(join(scratch, "rollouts.jsonl"), "\n");
  expect(() => readRollouts(scratch)).toThrow("rollouts.jsonl holds no rollouts.");
  expect(() => readRollouts(join(scratch, "nowhere"))).toThrow("cannot be opened");
});

test("a summary counts problems and solutions", () => {
  const { accuracy, anyCorrect, ...counts } = summarizeRollouts(groupRollouts(groups.flat()));
  expect(counts).toEqual({
    problems: 2,
    samples: 4,
    mixed: 0.5,
    tokens: { all: 25, correct: 40, wrong: 20 },
    truncated: 0.25,
    withoutAnswer: 0.25,
  });
  expect(accuracy).toEqual({ value: 0.25, low: 0, high: 0.5 });
  expect(anyCorrect).toMatchObject({ value: 0.5 });
});
