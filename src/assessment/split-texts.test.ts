import { expect, test } from "vitest";
import { assessed, texts, training } from "./miniature-lessons.fixture.ts";
import { splitTexts } from "./split-texts.ts";
import type { AssessedText } from "./texts.ts";

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
