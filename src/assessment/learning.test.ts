import { expect, test } from "vitest";
import { baselines, labelledLevel } from "./baselines.ts";
import { score } from "./formulations/score.ts";
import { turns as byTurns } from "./formulations/turns.ts";
import { allRows, drawnRows } from "./judge-rows.ts";
import { readRubric } from "./rubric.ts";
import { prepareShots } from "./shots.ts";
import { splitTexts } from "./split-texts.ts";
import { type AssessedText, isMarked, readTexts } from "./texts.ts";

const rubric = readRubric("fixtures/miniature/assessment/rubric.yaml");
const texts = await readTexts("fixtures/miniature/assessment/lessons.jsonl", rubric);
const { assessed, training } = splitTexts(texts, {});
const [press, reason] = rubric.dimensions as [(typeof rubric.dimensions)[0], (typeof rubric.dimensions)[0]];
const countTokens = (text: string) => text.split(" ").length;
const drawing = { by: "random", seed: 0, countTokens } as const;
const way = { name: "turns", formulation: byTurns, shots: 4 };

test("texts are split as their rows say, or by whole groups", () => {
  expect([assessed.length, training.length]).toEqual([20, 20]);
  const free = texts.map(({ split: _, ...text }, i) => ({ ...text, group: String(Math.floor(i / 4)) }));
  for (const trainShare of [0, 0.3, 0.7]) {
    const parts = splitTexts(free, { trainShare });
    const groups = [parts.assessed, parts.training].map((part) => new Set(part.map(({ group }) => group)));
    expect([...groups[0]!].filter((group) => groups[1]!.has(group))).toEqual([]);
    expect(parts.assessed.length + parts.training.length).toBe(40);
    expect(groups[1]!.size).toBe(10 * trainShare);
  }
  expect(splitTexts(free, { limit: 3 }).assessed).toHaveLength(3);
  const unlabelled = (split: "train" | "test", group: string): AssessedText => ({
    ...{ id: split, group, split, turns: [{ speaker: "A", role: "student", text: "Hm." }] },
  });
  expect(() => splitTexts([unlabelled("train", "a"), unlabelled("test", "b")], {})).toThrow(
    "The text train is to be learnt from, but its turns have no codes; label them, or leave out its split.",
  );
  const one = training.map((text) => ({ ...text, group: assessed[0]!.group }));
  expect(() => splitTexts([...one, ...assessed], {})).toThrow(
    `The group ${assessed[0]!.group} is both learnt from and assessed; give all its texts the same split.`,
  );
  expect(() => splitTexts(training, {})).toThrow("so that none is assessed");
});

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

test("rows to tune on stand for all turns by their weights", () => {
  const options = { countTokens, seed: 0 };
  const all = allRows(training, rubric, options);
  const drawn = drawnRows(training, rubric, options);
  const looked = training.flatMap(({ turns }) => turns).length;
  expect(all).toHaveLength(looked);
  expect(drawn.length).toBeLessThan(all.length);
  const weights = drawn.map(({ weight }) => weight!);
  expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(drawn.length, 9);
  const answer = ({ messages }: (typeof all)[number]) => messages.at(-1)!.content;
  const marked = all.filter((row) => answer(row) === "Yes").length;
  const weighted = drawn.filter((row) => answer(row) === "Yes").reduce((sum, { weight }) => sum + weight!, 0);
  expect(weighted / drawn.length).toBeCloseTo(marked / looked, 9);
  const asked = new Set(all.map((row) => JSON.stringify(row.messages)));
  expect(drawn.filter((row) => !asked.has(JSON.stringify(row.messages)))).toEqual([]);
  expect(drawnRows(assessed.slice(0, 0), rubric, options)).toEqual([]);
});

test("baselines learn what labels and words say", () => {
  const [majority, length, words] = baselines;
  const hits = (of: typeof majority) => {
    const level = of!.learn(training, press);
    return assessed.filter((text) => level(text).level === labelledLevel(text, press)).length;
  };
  const levels = training.map((text) => labelledLevel(text, press));
  const common = majority!.learn(training, press)(assessed[0]!).level;
  for (const level of levels)
    expect(levels.filter((one) => one === common).length).toBeGreaterThanOrEqual(
      levels.filter((one) => one === level).length,
    );
  expect(hits(words)).toBeGreaterThan(hits(majority));
  const { level, turns, evidence } = words!.learn(training, press)(assessed[0]!);
  expect(level).toBeGreaterThanOrEqual(1);
  expect(turns!.every(({ turn }) => assessed[0]!.turns[turn]!.role === "teacher")).toBe(true);
  expect(evidence).toEqual(turns!.filter(({ probability }) => probability > 0.5));
  const linear = [2, 4, 8, 16].map(
    (count, i): AssessedText => ({
      ...{ id: String(count), group: "a" },
      turns: Array.from({ length: count }, (_, place) => ({
        ...{ speaker: "Ms. A", role: "teacher", text: "word" },
        codes: place < i ? ["press"] : [],
      })),
    }),
  );
  expect(linear.map((text) => length!.learn(linear, press)(text).level)).toEqual([1, 2, 3, 4]);
  // Nothing is marked, and nothing is found.
  const silent = linear.slice(0, 1);
  expect(words!.learn(silent, press)(linear[3]!)).toMatchObject({ level: 1, evidence: [] });
  expect(labelledLevel(linear[3]!, reason)).toBe(1);
});
