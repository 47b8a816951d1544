import { describe, expect, test } from "vitest";
import { parseRubric } from "../rubric.ts";
import type { Turn } from "../texts.ts";
import { count } from "./count.ts";
import { examples } from "./examples.ts";
import type { Formulation } from "./formulation.ts";
import { findFormulation } from "./formulations.ts";
import { parseNumberAnswer } from "./number-answer.ts";
import { score } from "./score.ts";
import { turns } from "./turns.ts";

const rubric = parseRubric(
  {
    about: "a lesson",
    roles: { teacher: ["T"], student: ["*"] },
    dimensions: [
      {
        name: "press",
        question: "Does the teacher ask why?",
        speaker: "teacher",
        levels: [
          { level: 1, description: "never", count: 0 },
          { level: 2, description: "once", count: 1 },
          { level: 3, description: "more", count: "2+" },
        ],
      },
    ],
  },
  "rubric.yaml",
);
const dimension = rubric.dimensions[0]!;
const say = (speaker: string, text: string, ...codes: string[]): Turn => ({
  ...{ speaker, text, codes, role: speaker === "T" ? "teacher" : "student" },
});
const piece = {
  first: 10,
  turns: [
    say("T", "Why do you think so?", "press"),
    say("Ann", "Why do you think so?"),
    say("T", "Good.", "praise"),
    say("Tom", "So it is.", "press"),
    say("T", "And why is it so, Tom?", "press"),
  ],
};

describe("written numbers", () => {
  test.each([
    ["3", 3],
    [" Rating: 3.", 3],
    ["3 out of 4", 3],
    ["3/4, so 3", 3],
    ["The teacher does so twice.", 2],
    ["None", 0],
    ["0 times", 0],
  ])("%j is %d", (text, number) => expect(parseNumberAnswer(text)).toBe(number));

  test.each([
    "",
    "I cannot say.",
    "2 or 3",
    "between one and three",
    "3.5",
    "-1",
    "On a scale of 1 to 4 a 3",
    "someone",
  ])("%j is none", (text) => expect(parseNumberAnswer(text)).toBeUndefined());
});

test("a level that is read stands for the smallest of its counts, and one that cannot be is none", () => {
  const { options, parse, find } = score as Extract<Formulation, { find: unknown }>;
  expect(options(dimension)).toEqual(["1", "2", "3"]);
  expect([parse("2", dimension), parse("4", dimension), parse("high", dimension)]).toEqual([
    1,
    undefined,
    undefined,
  ]);
  expect(find([piece], [{ chosen: 2, probabilities: [0.1, 0.2, 0.7] }], dimension)).toEqual({
    least: 2,
    most: 2,
    distribution: [0.1, 0.2, 0.7],
    evidence: [],
  });
  expect(find([piece], [{ chosen: undefined }], dimension)).toEqual({
    least: 0,
    most: Number.POSITIVE_INFINITY,
    evidence: [],
  });
  expect(score.prompt(piece, dimension, rubric)).toBe(
    "This is from a lesson.\n\nT: Why do you think so?\nAnn: Why do you think so?\nT: Good.\nTom: So it is.\nT: And why is it so, Tom?\n\nDoes the teacher ask why? Rate it by this scale:\n1: never\n2: once\n3: more\nAnswer with the number alone.",
  );
  expect(score.solution(piece, dimension)).toBe("3");
});

test("a count is one digit", () => {
  const { options, parse, find } = count as Extract<Formulation, { find: unknown }>;
  expect(options(dimension)).toHaveLength(10);
  expect([parse("12", dimension), parse("once", dimension), parse("often", dimension)]).toEqual([
    9,
    1,
    undefined,
  ]);
  expect(find([piece], [{ chosen: 4 }], dimension)).toEqual({ least: 4, most: 4, evidence: [] });
  expect(count.solution(piece, dimension)).toBe("2");
  expect(count.prompt(piece, dimension, rubric)).toContain(
    "For how many turns of the teacher is the answer yes?",
  );
});

test("turns of the role alone are asked about, each after those before it", () => {
  const { find, parse } = turns as Extract<Formulation, { find: unknown }>;
  const cases = turns.cases(piece, dimension);
  expect(cases.map(({ turns }) => turns.length)).toEqual([1, 3, 5]);
  expect(turns.cases(piece, dimension, 1).map(({ turns, first }) => [first, turns.length])).toEqual([
    [10, 1],
    [11, 2],
    [13, 2],
  ]);
  expect(cases.map((asked) => turns.solution(asked, dimension))).toEqual(["Yes", "No", "Yes"]);
  expect(turns.topic(cases[2]!)).toBe("And why is it so, Tom?");
  expect(
    [" yes, it does", "No.", "**Yes**", "Maybe", "Nobody"].map((text) => parse(text, dimension)),
  ).toEqual([0, 1, 0, undefined, undefined]);
  const found = find(
    cases,
    [0.9, 0.2, 0.5].map((p) => ({ chosen: p > 0.5 ? 0 : 1, probabilities: [p, 1 - p] })),
    dimension,
  );
  expect(found).toMatchObject({ least: 1, most: 1, evidence: [{ turn: 10, probability: 0.9 }] });
  expect(found.turns!.map(({ turn }) => turn)).toEqual([10, 12, 14]);
  expect(found.distribution!.map((p) => Number(p.toFixed(12)))).toEqual([0.04, 0.41, 0.46, 0.09]);
  // What could not be read may be a yes.
  expect(find(cases, [{ chosen: 0 }, { chosen: undefined }, { chosen: 1 }], dimension)).toEqual({
    least: 1,
    most: 2,
    evidence: [{ turn: 10 }],
  });
});

describe("quotes", () => {
  const { read } = examples as Extract<Formulation, { read: unknown }>;
  const readOne = (answer: string) => read([piece], [answer], dimension);

  test("count where they stand in a turn of the role, each turn once", () => {
    expect(readOne('1. "Why do you think so?"\n- T: And why is it so, Tom?\n* why is it so')).toEqual({
      least: 2,
      most: 2,
      evidence: [
        { quote: '"Why do you think so?"', turn: 10 },
        { quote: "T: And why is it so, Tom?", turn: 14 },
        { quote: "why is it so", turn: 14 },
      ],
    });
  });

  test("that do not stand there count for nothing", () => {
    const { least, most, evidence } = readOne("Good.\nSo it is.\nHow can you be so sure?");
    expect([least, most]).toEqual([1, 1]);
    expect(evidence.map(({ turn }) => turn)).toEqual([12, null, null]);
    // Two words would stand anywhere.
    expect(readOne("it so").most).toBe(Number.POSITIVE_INFINITY);
    expect(readOne("He presses them all the time!")).toMatchObject({
      least: 0,
      most: Number.POSITIVE_INFINITY,
    });
    expect(readOne("").most).toBe(Number.POSITIVE_INFINITY);
  });

  test.each([
    "None",
    "none.",
    "Not found",
    "There are none in this text.",
    "No examples found.",
    "None\n\nThe teacher",
  ])("%j says that there are none", (answer) =>
    expect(readOne(answer)).toEqual({ least: 0, most: 0, evidence: [] }),
  );

  test("of a person are the marked turns", () => {
    expect(examples.solution(piece, dimension)).toBe("Why do you think so?\nAnd why is it so, Tom?");
    expect(examples.solution({ first: 0, turns: piece.turns.slice(1, 4) }, dimension)).toBe("None");
  });
});

test("a formulation that there is not is refused", () => {
  expect(() => findFormulation("toString")).toThrow(
    'There is no formulation "toString"; the formulations are score, count, examples, turns.',
  );
});
