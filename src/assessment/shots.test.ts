import { expect, test } from "vitest";
import { labelledLevel } from "./baselines.ts";
import { score } from "./formulations/score.ts";
import { turns as byTurns } from "./formulations/turns.ts";
import { assessed, countTokens, press, rubric, training } from "./miniature-lessons.fixture.ts";
import { prepareShots } from "./shots.ts";
import { isMarked } from "./texts.ts";

const drawing = { by: "random", seed: 0, countTokens } as const;
const way = { name: "turns", formulation: byTurns, shots: 4 };

test("examples are half of what is asked for, half hard negatives, alike for all questions at random", async () => {
  const cases = assessed.flatMap((text) => byTurns.cases({ turns: text.turns, first: 0 }, press));
  const shots = await prepareShots(way, press, rubric, training, drawing)(cases);
  expect(shots).toHaveLength(cases.length);
  expect(new Set(shots.map((messages) => JSON.stringify(messages))).size).toBe(1);
  expect(shots[0]!.map(({ role }) => role)).toEqual(
    Array.from({ length: 4 }, () => ["user", "assistant"]).flat(),
  );
  expect(shots[0]!.filter(({ role }) => role === "assistant").map(({ content }) => content)).toEqual([
    ...["Yes", "No", "Yes", "No"],
  ]);
  const labelled = training.flatMap(({ turns }) => turns).filter(({ codes }) => codes!.length > 0);
  for (const [i, message] of shots[0]!.entries()) {
    const [, last] = /\n([^\n]+)\n\nLook at the last turn alone/.exec(String(message.content)) ?? [];
    if (i % 4 !== 2) continue;
    // A negative has another label.
    const turn = labelled.find(({ speaker, text }) => `${speaker}: ${text}` === last)!;
    expect(isMarked(press, turn)).toBe(false);
  }
  const other = await prepareShots(way, press, rubric, training, { ...drawing, seed: 1 })(cases);
  expect(other[0]).not.toEqual(shots[0]);
});

test("examples by their words are the likest of either kind", async () => {
  const said = { speaker: "Ms. A", role: "teacher", text: "And how do you know that?" };
  const choose = prepareShots({ ...way, shots: 2 }, press, rubric, training, { ...drawing, by: "bm25" });
  const [shots] = await choose([{ turns: [said], first: 0 }]);
  expect(shots![0]!.content).toContain("How do you know?\n\nLook at the last turn");
  expect(shots![1]!.content).toBe("Yes");
  expect(shots![3]!.content).toBe("No");
});

test("too few examples are told, with the dimension", () => {
  expect(() => prepareShots(way, press, rubric, training.slice(0, 0), drawing)).toThrow(
    "Of press the labelled texts that are not assessed have 0 positive examples for the formulation turns, too few for 4; give more labelled texts, or take --shots 0.",
  );
  const silent = training.filter((text) => labelledLevel(text, press) === 1);
  const whole = { name: "score", formulation: score, shots: 4 };
  expect(() => prepareShots(whole, press, rubric, silent, drawing)).toThrow("0 positive examples");
});
