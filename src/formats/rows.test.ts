import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { type Row, readRows, rowFileExtensions } from "./rows.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-rows-"));
afterAll(() => rmSync(scratch, { recursive: true }));

function write(name: string, content: string | Uint8Array): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

async function readAll(path: string): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of readRows(path)) rows.push(row);
  return rows;
}

const texts = fc.array(fc.string({ unit: "grapheme", maxLength: 40 }), { minLength: 1, maxLength: 20 });

describe("JSON Lines", () => {
  test("give each object with its line, whatever ends the lines", async () => {
    const path = write("mixed.jsonl", '\ufeff{"a":1}\r\n\r\n  \n{"a":2}\n{"a":3}');
    expect(await readAll(path)).toEqual([
      { fields: { a: 1 }, line: 1 },
      { fields: { a: 2 }, line: 4 },
      { fields: { a: 3 }, line: 5 },
    ]);
  });

  test("keep Unicode's line separators, which JSON allows within texts", async () => {
    const text = "a\u2028b\u2029c\u0085d\ufeff";
    const path = write("separators.ndjson", `${JSON.stringify({ text })}\n${JSON.stringify({ text })}\n`);
    expect((await readAll(path)).map(({ fields }) => fields.text)).toEqual([text, text]);
  });

  test("are read whole where a line is longer than the file's chunks", async () => {
    const long = "é☃😀".repeat(40_000);
    const path = write("long.jsonl", `${JSON.stringify({ text: long })}\n{"text":"next"}\n`);
    expect((await readAll(path)).map(({ fields }) => fields.text)).toEqual([long, "next"]);
  });

  test("are read one by one: a bad line is met after the good ones before it", async () => {
    const path = write("late.jsonl", '{"a":1}\n{"a":\n');
    const rows: Row[] = [];
    const reading = (async () => {
      for await (const row of readRows(path)) rows.push(row);
    })();
    await expect(reading).rejects.toThrow(`${path}, line 2: it is not valid JSON.`);
    expect(rows).toHaveLength(1);
  });
});

test("any texts come back from JSON Lines, JSON and CSV as they were written", async () => {
  await fc.assert(
    fc.asyncProperty(texts, async (values) => {
      const rows = values.map((text) => ({ text }));
      const quoted = values.map((text) => `"${text.replaceAll('"', '""')}"`);
      const files = [
        write("any.jsonl", rows.map((row) => JSON.stringify(row)).join("\n")),
        write("any.json", JSON.stringify(rows)),
        write("data.json", JSON.stringify({ data: rows })),
        write("any.csv", ["text", ...quoted].join("\n")),
      ];
      for (const file of files) {
        expect((await readAll(file)).map(({ fields }) => fields)).toEqual(rows);
      }
    }),
    { numRuns: 50 },
  );
});

test("CSV has its header's fields, and of a record of several lines the last line", async () => {
  const path = write("table.csv", '\ufeffq,a\r\n"one, ""two""\nthree",1\r\n\r\nfour,2\r\n');
  expect(await readAll(path)).toEqual([
    { fields: { q: 'one, "two"\nthree', a: "1" }, line: 3 },
    { fields: { q: "four", a: "2" }, line: 5 },
  ]);
});

test("plain text is read by paragraphs", async () => {
  const path = write("story.txt", "\ufeff\r\nOne day.\r\nIt rained.\r\n \r\n\r\nThe end.");
  expect(await readAll(path)).toEqual([
    { fields: { text: "One day.\nIt rained." }, line: 2 },
    { fields: { text: "The end." }, line: 6 },
  ]);
});

test("an empty file has no rows", async () => {
  for (const name of ["none.jsonl", "none.csv", "none.txt"])
    expect(await readAll(write(name, ""))).toEqual([]);
});

const parquet = "fixtures/formats/rows.parquet";

test("Parquet gives pyarrow's rows, over row groups, compressions, nulls and nested lists", async () => {
  const expected = JSON.parse(readFileSync("fixtures/formats/rows-parquet.json", "utf8"));
  const rows = await readAll(parquet);
  expect(rows.map(({ fields }) => fields)).toEqual(expected);
  expect(rows.map(({ line }) => line)).toEqual(expected.map((_: unknown, i: number) => i + 1));
});

describe("what cannot be read is named", () => {
  const latin1 = Buffer.from('{"text":"caf\xe9"}\n', "latin1");
  const cases: [name: string, content: string | Uint8Array, sentence: RegExp][] = [
    ["broken.jsonl", '{"a":1}\n{"a":}\n', /broken\.jsonl, line 2: it is not valid JSON\.$/],
    ["number.jsonl", "1\n", /line 1: the example is not an object with named fields\.$/],
    [
      "latin1.jsonl",
      Buffer.concat([Buffer.from('{"a":1}\n'), latin1]),
      /line 2: the text is not in UTF-8; convert the file\.$/,
    ],
    ["latin1.txt", latin1, /line 1: the text is not in UTF-8/],
    ["latin1.csv", latin1, /line 1: the text is not in UTF-8/],
    ["latin1.json", latin1, /latin1\.json: the text is not in UTF-8/],
    ["cut.jsonl", '{"text":"a', /line 1: it is not valid JSON/],
    ["lines.json", '{"a":1}\n{"a":2}\n', /if each line is an example, name the file \.jsonl\.$/],
    ["single.json", '{"a":1}', /holds no list of examples/],
    ["list.json", '[{"a":1},[2]]', /line 2: the example is not an object/],
    ["ragged.csv", "a,b\n1,2\n1,2,3\n", /ragged\.csv: .*got 3 on line 3\.$/],
    ["open.csv", 'a\n"1\n2\n', /open\.csv: Quote Not Closed/],
    ["short.parquet", "PAR1", /cannot be read as Parquet/],
  ];
  test.each(cases)("%s", async (name, content, sentence) => {
    const error = await readAll(write(name, content)).catch((reason) => reason);
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toMatch(sentence);
  });

  test("a file that is missing or of an unknown kind", async () => {
    await expect(readAll(join(scratch, "missing.jsonl"))).rejects.toThrow(
      /^There is no file .*missing\.jsonl\.$/,
    );
    const path = write("a.docx", "");
    await expect(readAll(path)).rejects.toThrow(
      `${path} is of no known kind; examples are read from .jsonl, .ndjson, .json, .csv, .parquet, .txt.`,
    );
  });

  test.each(rowFileExtensions)("a folder whose name ends in %s", async (extension) => {
    const path = join(scratch, `folder${extension}`);
    mkdirSync(path);
    await expect(readAll(path)).rejects.toThrow("is a folder; name a file of examples in it.");
  });

  test("a line without end", async () => {
    const path = write("endless.jsonl", Buffer.alloc(2 ** 26 + 1, "x"));
    await expect(readAll(path)).rejects.toThrow(/line 1: the line is longer than 67108864 bytes\.$/);
  });
});
