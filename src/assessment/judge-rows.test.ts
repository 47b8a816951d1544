import { expect, test } from "vitest";
import { allRows, drawnRows } from "./judge-rows.ts";
import { assessed, countTokens, rubric, training } from "./miniature-lessons.fixture.ts";

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
