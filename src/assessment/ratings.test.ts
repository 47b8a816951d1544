import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { lowerMedian, readRatings } from "./ratings.ts";
import { readRubric } from "./rubric.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-ratings-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const rubric = readRubric("fixtures/miniature/assessment/rubric.yaml");
const texts = ["a", "b"].map((id) => ({ id, group: id, turns: [] }));

const read = (...lines: string[]) => {
  const path = join(scratch, "ratings.csv");
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  return readRatings(path, rubric, texts);
};

test("each row is of a rater, and each column of a dimension", async () => {
  const ratings = await read("text,rater,press,reason", "a,x,1,4", "a,y,2,", "b,x,3,1");
  expect([...ratings].map(([text, levels]) => [text, Object.fromEntries(levels)])).toEqual([
    ["a", { press: [1, 2], reason: [4] }],
    ["b", { press: [3], reason: [1] }],
  ]);
  expect([lowerMedian([3, 1]), lowerMedian([4, 1, 2]), lowerMedian([5])]).toEqual([1, 2, 5]);
});

test("what rates no assessed text, or gives no level, is refused in a sentence", async () => {
  await expect(read("text,press", "a,1", "c,2")).rejects.toThrow(
    "ratings.csv rates 1 texts that are not assessed, the first of them c; the assessed ones are a, b, so give their ids, or the file of those texts.",
  );
  await expect(read("text,press", "a,5")).rejects.toThrow(
    'ratings.csv, line 2: "5" is no level of press; its levels are 1 to 4.',
  );
  await expect(read("text,press", "a,1.5")).rejects.toThrow('"1.5" is no level of press');
  await expect(read("id,press", "a,1")).rejects.toThrow('line 2: there is no column "text"');
  await expect(read("text,warmth", "a,1")).rejects.toThrow(
    "rates none of the dimensions press, reason; give a column of that name to each that is rated.",
  );
});
