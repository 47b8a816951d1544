import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createRandom } from "../core/random.ts";
import { drawLesson, type Lesson } from "./lessons.ts";

const shipped: Lesson[] = readFileSync("fixtures/miniature/assessment/lessons.jsonl", "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));
const count = ({ turns }: Lesson, code: string) =>
  turns.filter(({ codes }) => codes.some((one) => one === code)).length;

test("the shipped lessons can be drawn again", () => {
  const [first] = shipped;
  expect(drawLesson("lesson-1", "train", createRandom(2024, 100))).toEqual(first);
  expect(shipped.map(({ split }) => split).filter((split) => split === "train")).toHaveLength(20);
});

test("teachers press and students reason in some lessons more often than in others", () => {
  for (const code of ["press", "reason"]) {
    const counts = new Set(shipped.map((lesson) => Math.min(3, count(lesson, code))));
    expect(counts.size, code).toBe(4);
  }
  for (const { turns } of shipped) {
    for (const { speaker, codes } of turns) {
      const isTeacher = /^M[rs]\. /.test(speaker);
      for (const code of codes) expect(["ask", "press", "restate"].includes(code)).toBe(isTeacher);
    }
  }
});

test("lessons that are assessed have wordings that nothing was learnt from", () => {
  const said = (split: Lesson["split"]) =>
    new Set(
      shipped
        .filter((lesson) => lesson.split === split)
        .flatMap(({ turns }) => turns.filter(({ codes }) => codes.some((code) => code === "press")))
        .map(({ text }) => text),
    );
  const [train, test] = [said("train"), said("test")];
  expect([...test].filter((text) => !train.has(text)).length).toBeGreaterThan(0);
  expect([...train].filter((text) => !test.has(text))).toEqual([]);
});
