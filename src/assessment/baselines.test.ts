import { expect, test } from "vitest";
import { baselines, labelledLevel } from "./baselines.ts";
import { assessed, press, reason, training } from "./miniature-lessons.fixture.ts";
import type { AssessedText } from "./texts.ts";

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
