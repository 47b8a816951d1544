import { describe, expect, test } from "vitest";
import { readPastedRows, readRowsOf } from "./rows.ts";

const fileOf = (name: string, content: string | Uint8Array<ArrayBuffer>) => new File([content], name);
const pairs = [
  { prompt: "When?", completion: "At nine." },
  { prompt: 'Who, "you"?', completion: "We\nare." },
];

test.each([
  ["rows.csv", '\ufeffprompt,completion\r\nWhen?,At nine.\r\n"Who, ""you""?","We\nare."\r\n'],
  ["rows.csv", 'prompt;completion\nWhen?;At nine.\n\n"Who, ""you""?";"We\nare."'],
  ["rows.TSV", 'prompt\tcompletion\nWhen?\tAt nine.\n"Who, ""you""?"\t"We\nare."'],
  ["rows.json", JSON.stringify(pairs)],
  ["rows.json", JSON.stringify({ data: pairs })],
  ["rows.jsonl", `${pairs.map((row) => JSON.stringify(row)).join("\n\n")}\n`],
])("%s %j", async (name, text) => {
  expect(await readRowsOf(fileOf(name, text))).toEqual(pairs);
});

test("each paragraph of a plain text is an example", async () => {
  expect(await readRowsOf(fileOf("a.txt", "\nOne\ntwo.\n \n\nThree.\n"))).toEqual([
    { text: "One\ntwo." },
    { text: "Three." },
  ]);
});

test.each([JSON.stringify(pairs), pairs.map((row) => JSON.stringify(row)).join("\n")])(
  "pasted: %j",
  (text) => {
    expect(readPastedRows(text)).toEqual(pairs);
  },
);

describe("what is no example is refused in a sentence that names it:", () => {
  test.each([
    ["model.bin", "x", /^model\.bin is of no kind that this page reads; give a file that ends in \.csv, /],
    ["a.constructor", "x", /^a\.constructor is of no kind/],
    ["a.csv", new Uint8Array([0xff, 0xfe]), "a.csv is no text in UTF-8; convert the file."],
    [
      "a.csv",
      "prompt,completion\n",
      "a.csv holds no examples; a CSV begins with a line that names the columns",
    ],
    ["a.csv", 'prompt,completion\n"When?,At nine.', /^a\.csv: .*\.$/],
    ["a.csv", "prompt,prompt\na,b", 'a.csv: two columns have the name "prompt"; rename one.'],
    ["a.json", '{"prompt": 1}', "a.json holds no list of examples."],
    ["a.json", "[1]", "a.json, example 1: the example is not an object with named fields."],
    ["a.jsonl", '{"a": 1}\n{', /^a\.jsonl, line 2 is not valid JSON: /],
  ])("%s %j", async (name, content, message) => {
    await expect(readRowsOf(fileOf(name, content))).rejects.toThrow(message);
  });

  test("a file that is too large for a tab", async () => {
    const file = fileOf("a.csv", "");
    Object.defineProperty(file, "size", { value: 5e9 });
    await expect(readRowsOf(file)).rejects.toThrow("a.csv has 5000 MB, of which a tab holds 100 at most;");
  });
});
