import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createRandom } from "../core/random.ts";
import { prepareTasks } from "../evaluation/prepare.ts";
import { loadTasks } from "../evaluation/tasks/registry.ts";
import { drawDates } from "./dates.ts";
import { drawLetters } from "./letters.ts";
import { drawDifferent, type WrittenItem } from "./problem-set.ts";
import { writeProblems } from "./write-problems.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-problems-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const counts = { rows: 200, items: 50 };

test("letters are those that are asked for, and no word of an item is in a row", () => {
  const { rows, tasks } = drawLetters(counts, 1);
  expect(rows).toHaveLength(200);
  expect(new Set(rows.map(({ prompt }) => prompt)).size).toBe(200);
  const read = (prompt: string) => {
    const [, place, name] =
      /^Take the (\S+) letters of the words in "(.+)" and concatenate them\.\n\n### Response:$/.exec(prompt)!;
    return { place: place!, words: name!.split(" ") };
  };
  const at: Record<string, number> = { first: 0, second: 1, last: -1, "second-last": -2 };
  const items = tasks.flatMap((task) =>
    (task.items as WrittenItem[]).map((item) => ({ ...item, task: task.name })),
  );
  const all = [
    ...rows.map(({ prompt, completion }) => [prompt, completion.slice(1)]),
    ...items.map((one) => [one.question, one.answer]),
  ];
  for (const [prompt, answer] of all) {
    const { place, words } = read(prompt!);
    expect(words.map((word) => word.at(at[place]!)).join("")).toBe(answer);
  }
  const known = new Set(rows.flatMap(({ prompt }) => read(prompt).words));
  for (const { question, task } of items) {
    const { place, words } = read(question);
    expect(words.filter((word) => known.has(word))).toEqual([]);
    expect(place === "second-last").toBe(task === "letters_positions");
    expect(words.length > 3).toBe(task === "letters_longer");
  }
  expect(drawLetters(counts, 1)).toEqual({ rows, tasks });
  expect(drawLetters(counts, 2).rows).not.toEqual(rows);
});

test("more problems than there are different ones are not looked for without end", () => {
  const draw = () => ({ question: "The only one?" });
  expect(drawDifferent(1, createRandom(1), draw)).toHaveLength(1);
  expect(() => drawDifferent(2, createRandom(1), draw)).toThrow(
    "There are no 2 different problems of this kind.",
  );
});

test("of six different dates the right one is the label, and no day of an item is in a row", () => {
  const { rows, tasks } = drawDates(counts, 1);
  const today = (question: string) => /Today is (\S+)\./.exec(question)![1]!;
  const days = new Set(rows.map(({ prompt }) => today(prompt)));
  const spans: Record<string, number> = {
    tomorrow: 1,
    yesterday: -1,
    "two weeks ago": -14,
    "one week from today": 7,
  };
  let checked = 0;
  for (const { items } of tasks) {
    for (const item of items) {
      if (!("choices" in item)) throw new Error("Dates are chosen.");
      expect(new Set(item.choices).size).toBe(6);
      expect(days.has(today(item.question))).toBe(false);
      const span = spans[/the date (.+) in MM/.exec(item.question)![1]!];
      if (span === undefined) continue;
      checked++;
      const day = Date.parse(`${today(item.question)} GMT`) + span * 86_400_000;
      expect(Date.parse(`${item.choices[item.label]} GMT`)).toBe(day);
    }
  }
  expect(checked).toBeGreaterThan(10);
});

test("word problems are read as they are published, and divided", async () => {
  const rows = {
    "gsm8k.jsonl": { question: "How many?", answer: "2 * 600 = <<2*600=1200>>1200\n#### 1,200" },
    "svamp.json": [{ Body: "Dan had $ 3 left", Question: "How much ?", Answer: 51.0 }],
    "asdiv.jsonl": { body: "Seven and two.", question: "How many apples?", answer: "9 (apples)" },
    "mawps.jsonl": { input: "How many did Joan give ?", target: 43.0 },
  };
  for (const [name, row] of Object.entries(rows)) writeFileSync(join(scratch, name), JSON.stringify(row));
  writeFileSync(
    join(scratch, "numbers.csv"),
    'Question,Numbers,Answer,Body\n"If Bryan has number0 books in each of his number1 shelves , how many ?",56.0 9.0,504.0,"If"\n"Which ?",1.0,Purple,""\n',
  );
  const read = async (name: string, task: string) => {
    const out = join(scratch, `out-${task}`);
    const { leftOut } = await writeProblems({
      set: "final-answers",
      data: join(scratch, name),
      name: task,
      rows: 0,
      items: 1,
      out,
    });
    return { ...JSON.parse(readFileSync(join(out, `${task}.jsonl`), "utf8")), leftOut };
  };
  expect(await read("gsm8k.jsonl", "a")).toEqual({ question: "How many?", answer: "1200", leftOut: 0 });
  expect(await read("svamp.json", "b")).toMatchObject({
    question: "Dan had $ 3 left. How much?",
    answer: "51",
  });
  expect(await read("asdiv.jsonl", "c")).toMatchObject({
    question: "Seven and two. How many apples?",
    answer: "9",
  });
  expect(await read("mawps.jsonl", "d")).toMatchObject({ question: "How many did Joan give?", answer: "43" });
  expect(await read("numbers.csv", "e")).toEqual({
    question: "If Bryan has 56 books in each of his 9 shelves, how many?",
    answer: "504",
    leftOut: 1,
  });
});

test("tasks are asked as their files say", async () => {
  const out = join(scratch, "letters");
  const { train, tasks } = await writeProblems({ set: "letters", rows: 3, items: 2, out });
  const [row] = readFileSync(train!, "utf8")
    .split("\n")
    .map((line) => line && JSON.parse(line));
  expect(row.completion).toMatch(/^ \w{2,3}$/);
  expect(Object.keys(row)).toEqual(["prompt", "completion"]);
  const prepared = await prepareTasks(
    tasks.map(({ name }) => name),
    {},
    loadTasks([out]),
  );
  const [{ gold, target }] = prepared.tasks[0]!.instances as [(typeof prepared.tasks)[0]["instances"][0]];
  expect(gold).toMatchObject({ continuation: ` ${target}` });
});

test("rows are worded twice if that is asked for", async () => {
  const rowsOf = async (set: "letters" | "dates") => {
    const { train } = await writeProblems({
      ...{ set, rows: 3, items: 1, rewordings: true, out: join(scratch, `${set} twice`) },
    });
    return readFileSync(train!, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  };
  for (const { prompt, rewording } of await rowsOf("letters")) {
    const [, place, name] = /^Take the (\S+) letters of the words in ("[^"]+")/.exec(prompt)!;
    expect(rewording).toBe(
      `What do the ${place} letters of all words in ${name} give, one after the other?\n\n### Response:`,
    );
  }
  for (const { prompt, rewording } of await rowsOf("dates")) {
    const [, today, span] = /^Today is (\S+)\. What is the date (.+) in MM/m.exec(prompt)!;
    expect(rewording).toContain(
      `\nIt is ${today}. Which date, in MM/DD/YYYY, is it ${span}?\n### Options:\n`,
    );
  }
});

test.each([
  [{ set: "letters", data: "a.jsonl" }, "drawn, so leave --data and --name out"],
  [{ set: "final-answers" }, "name it with --data"],
  [{ set: "final-answers", data: "none.jsonl" }, "There is no file none.jsonl"],
  [
    { set: "final-answers", data: "fixtures/miniature/math-train.jsonl", name: "1 x" },
    '"1 x" is no name for a task',
  ],
  [{ set: "letters", out: "src" }, "is not empty; choose another folder"],
] as const)("%j is refused", async (options, sentence) => {
  await expect(writeProblems({ out: join(scratch, "refused"), ...options })).rejects.toThrow(sentence);
});
