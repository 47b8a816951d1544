import { describe, expect, test } from "vitest";
import { isCounted, levelOf, parseRubric, readRubric, saturation } from "./rubric.ts";

const rubric = (levels: readonly object[], more: object = {}) => ({
  roles: { teacher: ["T"], student: ["*"] },
  dimensions: [{ name: "press", question: "Why?", speaker: "teacher", levels, ...more }],
});
const level = (level: number, count?: string | number) => ({
  level,
  description: `level ${level}`,
  ...(count !== undefined && { count }),
});
const read = (levels: readonly object[], more: object = {}) =>
  parseRubric(rubric(levels, more), "rubric.yaml");

test("a rubric's counts give its levels", () => {
  const [dimension] = read([level(1, 0), level(2, "1-2"), level(3, "3+")]).dimensions;
  expect([0, 1, 2, 3, 40].map((count) => levelOf(dimension!, count))).toEqual([1, 2, 2, 3, 3]);
  expect(saturation(dimension!)).toBe(3);
  expect(dimension!.codes).toEqual(["press"]);
});

test("levels may stand for no counts", () => {
  const [dimension] = read([level(1), level(2)]).dimensions;
  expect(isCounted(dimension!)).toBe(false);
});

test("the miniature's rubric is read", () => {
  const { dimensions, about } = readRubric("fixtures/miniature/assessment/rubric.yaml");
  expect(about).toBe("a lesson");
  expect(dimensions.map(({ name }) => name)).toEqual(["press", "reason"]);
});

describe("is refused in a sentence", () => {
  const where = "rubric.yaml, dimension press: ";
  test.each([
    [
      "overlapping levels",
      [level(1, "0-1"), level(2, "1+")],
      "a count of 1 falls to level 2 and to one below it; let each count fall to one level.",
    ],
    [
      "a gap between levels",
      [level(1, 0), level(2, "2+")],
      "a count of 1 falls to no level; let level 2 or the one below it take it.",
    ],
    [
      "levels that do not begin with 0",
      [level(1, 1), level(2, "2+")],
      "a count of 0 falls to no level; let level 1 or the one below it take it.",
    ],
    [
      "a largest count",
      [level(1, 0), level(2, "1-3")],
      'a count of 4 falls to no level; let the highest one take all from its least on, as "1+".',
    ],
    [
      "a level without a count beside others",
      [level(1, 0), level(2)],
      "level 2 has no count, but others have; give each level its counts, or none.",
    ],
    [
      "a count that is none",
      [level(1, 0), level(2, "many")],
      'the count "many" of level 2 cannot be read; give one as 2, several as 2-4, or all from one on as 5+.',
    ],
    [
      "a count that runs backward",
      [level(1, 0), level(2, "3-1")],
      'the count "3-1" of level 2 cannot be read; give one as 2, several as 2-4, or all from one on as 5+.',
    ],
    [
      "levels out of order",
      [level(2, 0), level(1, "1+")],
      "level 1 stands after level 2; list the levels from the lowest on, each one above the one before.",
    ],
  ])("%s", (_, levels, reason) => {
    expect(() => read(levels)).toThrow(where + reason);
  });

  test("a role that there is not, a name twice, a field that nobody knows", () => {
    const levels = [level(1), level(2)];
    expect(() => read(levels, { speaker: "head" })).toThrow(
      `${where}there is no role "head"; the roles are teacher, student, so name one of them or add it.`,
    );
    const twice = { dimensions: [0, 1].map(() => ({ name: "a", question: "b", levels })) };
    expect(() => parseRubric(twice, "rubric.yaml")).toThrow(
      "rubric.yaml: two dimensions have the name a; rename one.",
    );
    expect(() => read(levels, { weight: 2 })).toThrow("weight");
    expect(() => read([level(1), level(10)])).toThrow("it must be at most 9");
  });
});
