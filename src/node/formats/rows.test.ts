import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { Row } from "../../core/data/row-fields.ts";
import { InputError } from "../../core/errors.ts";
import { createRandom, type Random } from "../../core/random.ts";
import { readRows, rowFileExtensions } from "./rows.ts";

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
    await expect(reading).rejects.toThrow(
      `${path}, line 2, column 1: it is not valid JSON: it ends before the "{" is closed that stands here.`,
    );
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

describe("the columns of a CSV file", () => {
  const rows = [
    { question: "2 + 2?", answer: "4" },
    { question: "1,5 oder 2; was?", answer: "2|\t" },
  ];
  const writeRows = (delimiter: string, quoted: boolean) =>
    [["question", "answer"], ...rows.map(({ question, answer }) => [question, answer])]
      .map((cells) =>
        cells.map((cell) => (quoted || /[,;|\t]/.test(cell) ? `"${cell}"` : cell)).join(delimiter),
      )
      .join("\r\n");

  test.each([",", ";", "\t", "|"])("are separated by %j, which is found", async (delimiter) => {
    for (const quoted of [false, true]) {
      for (const start of ["", "\ufeff"]) {
        const path = write("delimiter.csv", start + writeRows(delimiter, quoted));
        expect((await readAll(path)).map(({ fields }) => fields)).toEqual(rows);
      }
    }
  });

  test("are separated by tabs in .tsv, and by what Excel's first line names", async () => {
    expect(await readAll(write("table.tsv", "a,b\tc\n1,2\t3\n"))).toEqual([
      { fields: { "a,b": "1,2", c: "3" }, line: 2 },
    ]);
    expect(await readAll(write("sep.csv", "\ufeffsep=;\r\na,b;c,d\r\n1,2;3,4\r\n"))).toEqual([
      { fields: { "a,b": "1,2", "c,d": "3,4" }, line: 3 },
    ]);
  });

  test("may be one, whatever stands in it", async () => {
    for (const text of ["a;b", "a b", "x|y\tz"]) {
      expect(await readAll(write("one.csv", `text\n${text}\n"1,2"\n`))).toEqual([
        { fields: { text }, line: 2 },
        { fields: { text: "1,2" }, line: 3 },
      ]);
    }
  });

  test("are told from texts over more lines than are looked at", async () => {
    const long = "a; b, c\n".repeat(20_000);
    const path = write("long.csv", `question;answer\n"${long}";4\n`);
    expect((await readAll(path)).map(({ fields }) => fields)).toEqual([{ question: long, answer: "4" }]);
  });

  test.each([
    ["two.csv", "a;b,c\n1;2,3\n", /columns could be separated by commas or by semicolons; put the names/],
    ["ragged.csv", "a;b\n1;2;3\n", /columns length is 2, got 3 on line 2\.$/],
    ["twice.csv", "a,b,a\n1,2,3\n", /twice\.csv: two columns have the name "a"; rename one\.$/],
    ["one-of-many.csv", "text\nHello, world\n", /columns length is 1, got 2 on line 2\.$/],
  ])("that cannot be told are refused in %s", async (name, content, sentence) => {
    await expect(readAll(write(name, content))).rejects.toThrow(sentence);
  });
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

test("Parquet's types are read as JSON would hold them", async () => {
  const expected = JSON.parse(readFileSync("fixtures/formats/types-parquet.json", "utf8"));
  const rows = await readAll("fixtures/formats/types.parquet");
  expect(JSON.parse(JSON.stringify(rows.map(({ fields: { huge: _, ...fields } }) => fields)))).toEqual(
    expected,
  );
  expect(rows.map(({ fields }) => fields.huge)).toEqual([2n ** 60n + 1n, -(2n ** 60n) - 1n]);
});

describe("a Parquet footer of a stranger", () => {
  const whole = readFileSync(parquet);
  const footerStart = whole.length - 8 - whole.readUInt32LE(whole.length - 8);
  const pages = whole.subarray(0, footerStart);
  const footer = whole.subarray(footerStart, -8);

  function withFooter(changed: Buffer, before = pages): Buffer {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(changed.length);
    return Buffer.concat([before, changed, length, Buffer.from("PAR1")]);
  }
  const splice = (bytes: Buffer, at: number, removed: number, inserted: readonly number[]) =>
    Buffer.concat([bytes.subarray(0, at), Buffer.from(inserted), bytes.subarray(at + removed)]);
  function replace(bytes: Buffer, from: string, to: string): Buffer {
    expect(bytes.includes(from, 0, "latin1")).toBe(true);
    return Buffer.from(bytes.toString("latin1").replaceAll(from, to), "latin1");
  }

  /** 2^31 - 1, 2^32 - 1, 2^30, 2^20, 2^41 and 2^63 - 1, some as zigzag numbers, in bytes of seven bits. */
  const largeNumbers = [
    [0xff, 0xff, 0xff, 0xff, 0x07],
    [0xff, 0xff, 0xff, 0xff, 0x0f],
    [0x80, 0x80, 0x80, 0x80, 0x08],
    [0x80, 0x80, 0x80, 0x01],
    [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
    [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  ];
  function mutate(random: Random): Buffer {
    let bytes: Buffer = Buffer.from(footer);
    for (let i = 0; i <= random.below(3); i++) {
      const at = random.below(bytes.length);
      const kind = random.below(4);
      if (kind === 0) bytes[at]! ^= 1 << random.below(8);
      else if (kind === 1) bytes[at] = random.below(256);
      else if (kind === 2) bytes = bytes.subarray(0, at + 1);
      else bytes = splice(bytes, at, random.below(5), largeNumbers[random.below(largeNumbers.length)]!);
    }
    return bytes;
  }

  test("is read or refused in one sentence, in little time and memory", { timeout: 30_000 }, async () => {
    let read = 0;
    let refused = 0;
    for (let i = 0; i < 1500; i++) {
      const path = write("mutated.parquet", withFooter(mutate(createRandom(2, i))));
      const before = process.memoryUsage();
      const started = performance.now();
      try {
        await readAll(path);
        read++;
      } catch (error) {
        expect(error, `file ${i}`).toBeInstanceOf(InputError);
        expect((error as Error).message, `file ${i}`).toMatch(/^[^\n]{1,1000}\.$/);
        refused++;
      }
      const after = process.memoryUsage();
      expect(performance.now() - started, `file ${i}`).toBeLessThan(5000);
      expect(after.arrayBuffers - before.arrayBuffers, `file ${i}`).toBeLessThan(2 ** 23);
      expect(after.heapUsed - before.heapUsed, `file ${i}`).toBeLessThan(2 ** 23);
    }
    // Both happen, or the mutations are too gentle or too rough to find anything.
    expect(read).toBeGreaterThan(75);
    expect(refused).toBeGreaterThan(500);
  });

  const refusals: Record<string, [Buffer, RegExp]> = {
    // Field 3 of a row group is its rows, 4 in the first, as a zigzag number after the header of a 64-bit integer.
    "of more rows than bits": [
      withFooter(replace(footer, "\x16\x08", "\x16\x80\x80\x80\x80\x80\x80\x01")),
      /: row group 1 claims an impossible number of rows\.$/,
    ],
    "of fewer rows than none": [
      withFooter(replace(footer, "\x16\x08", "\x16\x07")),
      /: row group 1 claims an impossible number of rows\.$/,
    ],
    "with rows that are a list": [
      withFooter(replace(footer, "\x16\x08", "\x19\x08")),
      /: row group 1 claims an impossible number of rows\.$/,
    ],
    "with two columns of one name": [
      withFooter(replace(footer, "\x06answer", "\x08question")),
      /: two columns have the same name\.$/,
    ],
    "with a column that the schema lacks": [
      withFooter(replace(footer, "%\x02\x18\x06answer", "%\x02\x18\x06other!")),
      /: the columns of row group 1 are not those of the schema\.$/,
    ],
    // The first column's dictionary is at byte 4, which as a zigzag number is 8.
    "with a column before the file's start": [
      withFooter(replace(footer, "&\x08\x1c", "&\x07\x1c")),
      /: a column of row group 1 reaches beyond the file\.$/,
    ],
    "with a column behind the file's end": [
      withFooter(replace(footer, "&\x08\x1c", "&\x80\x80\x04\x1c")),
      /: a column of row group 1 reaches beyond the file\.$/,
    ],
    "with a list longer than itself": [
      // Field 2 is the schema, a list of structs.
      withFooter(splice(footer, footer.indexOf(0x19) + 1, 1, [0xfc, ...largeNumbers[0]!])),
      /: its footer has a list of 2147483647 elements in \d+ bytes\.$/,
    ],
    "with lists within lists": [withFooter(Buffer.alloc(2000, 0x99)), /cannot be read as Parquet: .*\.$/],
    "with a map": [withFooter(Buffer.of(0x1b)), /: its footer has a field of the unknown type 11\.$/],
    "that is cut off": [withFooter(footer.subarray(0, 50)), /: its footer is cut off\.$/],
    "with a page that is mostly made up": [
      // After the magic number, the first page's header: its type, then its uncompressed size.
      withFooter(footer, splice(pages, 7, pages[7]! < 128 ? 1 : 2, [0x80, 0x80, 0x80, 0x80, 0x08])),
      /: a page of \d+ bytes claims to hold 1073741824\.$/,
    ],
  };
  test.each(Object.entries(refusals))("%s is refused", async (_name, [bytes, sentence]) => {
    const error = await readAll(write("refused.parquet", bytes)).catch((reason) => reason);
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toMatch(sentence);
  });
});

describe("a file that is something else than its name says", () => {
  const cases: [name: string, start: string, sentence: RegExp][] = [
    ["book.csv", "PK\x03\x04\x14\0\x06\0[Content_Types].xml", /is an Excel workbook; save the sheet as CSV/],
    ["archive.jsonl", "PK\x03\x04train.jsonl", /is a ZIP archive; unpack it first/],
    ["old.csv", "\xd0\xcf\x11\xe0", /is an Excel workbook/],
    ["packed.jsonl", "\x1f\x8b\x08", /is compressed with gzip; unpack it first/],
    ["packed.txt", "\x28\xb5\x2f\xfd", /is compressed; unpack it first/],
    ["parquet.json", "PAR1\x15", /is a Parquet file; name it \.parquet/],
    ["pointer.json", "version https://git-lfs", /is only Git LFS's pointer to a file/],
    ["page.jsonl", "\n<!DOCTYPE html><html>", /is a web page; download the file itself/],
    ["page.parquet", "<html>", /is a web page/],
    ["utf16.jsonl", "\xff\xfe{\0", /is in UTF-16; save it as UTF-8/],
    ["utf16.csv", "\xfe\xff\0a", /is in UTF-16/],
    ["utf16.txt", "a\0b\0", /is in UTF-16/],
    ["utf16.json", "\0{\0}", /is in UTF-16/],
    ["a.jsonl.gz", "", /is compressed with gzip; unpack it first; examples are read from/],
    ["a.xlsx", "", /is an Excel workbook/],
  ];
  test.each(cases)("is named in %s", async (name, start, sentence) => {
    const path = write(name, Buffer.from(start, "latin1"));
    const error = await readAll(path).catch((reason) => reason);
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toMatch(sentence);
  });
});

describe("what cannot be read is named", () => {
  const latin1 = Buffer.from('{"text":"caf\xe9"}\n', "latin1");
  const cases: [name: string, content: string | Uint8Array, sentence: RegExp][] = [
    [
      "broken.jsonl",
      '{"a":1}\n{"a":}\n',
      /broken\.jsonl, line 2, column 6: it is not valid JSON: a value is missing\.$/,
    ],
    ["number.jsonl", "1\n", /line 1: the example is not an object with named fields\.$/],
    [
      "latin1.jsonl",
      Buffer.concat([Buffer.from('{"a":1}\n'), latin1]),
      /line 2: the text is not in UTF-8; convert the file\.$/,
    ],
    ["latin1.txt", latin1, /line 1: the text is not in UTF-8/],
    ["latin1.csv", latin1, /line 1: the text is not in UTF-8/],
    ["latin1.json", latin1, /latin1\.json: the text is not in UTF-8/],
    [
      "cut.jsonl",
      '{"text":"a',
      /line 1, column 9: it is not valid JSON: the text that begins here is not closed\.$/,
    ],
    ["lines.json", '{"a":1}\n{"a":2}\n', /each line is an example; name the file \.jsonl\.$/],
    ["list.jsonl", '[{"a":1},{"a":2}]\n', /line 1: a list begins here, .* name it \.json\.$/],
    ["pretty.jsonl", '{\n "a": 1\n}\n', /line 1: an example goes over several lines; write each on one/],
    ["comma.jsonl", '{"a":1},\n{"a":2}\n', /line 1, column 8: .*: something follows the value: ","\.$/],
    ["joined.jsonl", '{"a":1}{"a":2}\n', /line 1, column 8: .*: something follows the value: "\{"\.$/],
    ["twice.jsonl", '{"a":1,"a":2}\n', /line 1, column 8: .*: the field "a" stands in its object twice\.$/],
    ["half.jsonl", '{"a":1}\n{"a":"\\ud83d"}\n', /line 2: the field "a" holds "\\ud83d", half of a surrog/],
    ["half.json", '[{"a":"\\ud83d"}]', /half\.json: the field "\[0\]\.a" holds "\\ud83d", half of a surrog/],
    [
      "broken.json",
      '[\n {"a": 1}\n {"a": 2}\n]',
      /broken\.json, line 3, column 2: .*: a comma is missing\.$/,
    ],
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
      `${path} is of no known kind; examples are read from .jsonl, .ndjson, .json, .csv, .tsv, .parquet, .txt.`,
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
