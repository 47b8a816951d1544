import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { anonymize } from "./anonymize.ts";
import { parseRubric } from "./rubric.ts";
import { countWords, isLabelled, readTexts } from "./texts.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-texts-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const rubricOf = (more: object = {}) =>
  parseRubric(
    {
      roles: { teacher: ["T", "Ms. *"], student: ["S*", "Tom Lee", "Ann"] },
      dimensions: [
        {
          name: "press",
          question: "Why?",
          levels: [
            { level: 1, description: "a", count: 0 },
            { level: 2, description: "b", count: "1+" },
          ],
        },
      ],
      ...more,
    },
    "rubric.yaml",
  );

const write = (name: string, ...rows: unknown[]) => {
  const path = join(scratch, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
};
const turn = (speaker: string, text: string, codes?: string[]) => ({
  speaker,
  text,
  ...(codes && { codes }),
});

test("turns come as a list or as lines, with the roles of their speakers", async () => {
  const path = write(
    "both.jsonl",
    { id: "a", turns: [turn("T", "Why?", ["press"]), turn("s1", " Because\n so. ")], split: "test" },
    { id: "b", group: 7, text: "Ms. Fox: Why is it: so?\nAnn: It is\nas it is.\n\nT: Good." },
  );
  const [a, b] = await readTexts(path, rubricOf());
  expect(a).toEqual({
    id: "a",
    group: "a",
    split: "test",
    turns: [
      { speaker: "T", role: "teacher", text: "Why?", codes: ["press"] },
      { speaker: "s1", role: "student", text: "Because so.", codes: [] },
    ],
  });
  expect(b!.group).toBe("7");
  expect(b!.turns).toEqual([
    { speaker: "Ms. Fox", role: "teacher", text: "Why is it: so?" },
    { speaker: "Ann", role: "student", text: "It is as it is." },
    { speaker: "T", role: "teacher", text: "Good." },
  ]);
  expect([a, b].map((text) => isLabelled(text!))).toEqual([true, false]);
});

test("windows end with turns, have their words, and lose nothing", async () => {
  const turns = Array.from({ length: 23 }, (_, i) => turn("T", "word ".repeat(1 + (i % 4))));
  const path = write("long.jsonl", { id: "long", turns });
  const windows = await readTexts(path, rubricOf({ window_words: 10 }));
  expect(windows.length).toBeGreaterThan(3);
  expect(windows.flatMap(({ turns }) => turns)).toHaveLength(23);
  expect(windows.map(({ id }) => id).slice(0, 2)).toEqual(["long/1", "long/2"]);
  expect(new Set(windows.map(({ group }) => group))).toEqual(new Set(["long"]));
  for (const { turns } of windows.slice(0, -1)) expect(countWords(turns)).toBeGreaterThanOrEqual(10);
  for (const { turns } of windows) expect(countWords(turns)).toBeGreaterThanOrEqual(5);
  const [short] = await readTexts(
    write("short.jsonl", { id: "s", turns: [turn("T", "Yes")] }),
    rubricOf({ window_words: 10 }),
  );
  expect(short!.turns).toHaveLength(1);
});

test("what is no text is refused with its line", async () => {
  const refuse = (...rows: unknown[]) => expect(readTexts(write("bad.jsonl", ...rows), rubricOf())).rejects;
  const good = { id: "a", turns: [turn("T", "Why?")] };
  await refuse(good, { id: "b", turns: [turn("T", "  ")] }).toThrow(
    "bad.jsonl, line 2: nobody says anything in the text b; give it turns, or leave it out.",
  );
  await refuse({ id: "b", turns: [] }).toThrow("line 1: nobody says anything in the text b");
  await refuse({ id: "b" }).toThrow("nobody says anything");
  await refuse(good, good).toThrow("line 2: another text has the id a too; give each its own.");
  await refuse({ id: "b", turns: [turn("Bob", "Hm.")] }).toThrow(
    'line 1: the speaker Bob has none of the roles teacher, student; name them there in the rubric, or "*" for all others.',
  );
  await refuse({ id: "b", text: "no speaker here" }).toThrow("the first line names no speaker");
  await refuse({ turns: [] }).toThrow("id: it is missing");
  await refuse().toThrow("holds no texts");
});

test("anonymous texts have roles in place of names, in what is said as well", async () => {
  const path = write("names.jsonl", {
    id: "a",
    turns: [
      turn("Ms. Fox", "Tom, what does Lee think? And Ann? Annual reports, Student or not."),
      turn("Tom Lee", "Ms. Fox, I agree with Ann."),
      turn("Ann", "Fox is right; tom too."),
    ],
  });
  const [text] = anonymize(await readTexts(path, rubricOf()));
  expect(text!.turns.map(({ speaker, text }) => `${speaker}: ${text}`)).toEqual([
    "Teacher 1: Student 1, what does Student 1 think? And Student 2? Annual reports, Student or not.",
    "Student 1: Teacher 1, I agree with Student 2.",
    "Student 2: Teacher 1 is right; tom too.",
  ]);
});
