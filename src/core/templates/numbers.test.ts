import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readRows } from "../../node/formats/rows.ts";
import type { Row } from "../data/row-fields.ts";
import { parseJson } from "../python/json.ts";
import { compileTemplate, renderTemplate } from "./template.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-numbers-"));
afterAll(() => rmSync(scratch, { recursive: true }));

async function readAll(path: string): Promise<Row["fields"][]> {
  const rows: Row["fields"][] = [];
  for await (const { fields } of readRows(path)) rows.push(fields);
  return rows;
}

const template = compileTemplate("{{ value }}", "lm-eval");
const print = (value: unknown) => renderTemplate(template, { value });

test.each(["rows.jsonl", "rows.json"])("numbers of %s are printed as Python prints them", async (name) => {
  const path = join(scratch, name);
  const row =
    '{"a": 7.0, "b": [1, 1.0, 1e20, 12345678901234567890], "c": {"d": -0.0, "e": 1e-7, "f": 0.5}, "g": true}';
  writeFileSync(path, name.endsWith("l") ? `${row}\n` : `[${row}]`);
  const [fields] = await readAll(path);
  expect(print(fields)).toBe(
    "{'a': 7.0, 'b': [1, 1.0, 1e+20, 12345678901234567890], 'c': {'d': -0.0, 'e': 1e-07, 'f': 0.5}, 'g': True}",
  );
});

/** Made by CPython, see reference/python_semantics.py. */
const python: { readonly json: readonly { readonly text: string; readonly printed: string }[] } = JSON.parse(
  readFileSync("fixtures/evaluation/python.json", "utf8"),
);

test.each(python.json)("$text is printed as Python prints it", ({ text, printed }) => {
  expect(print(parseJson(text))).toBe(printed);
});

/** Made by pyarrow, see reference/parquet_numbers.py. */
test("numbers of Parquet are printed as Python prints them", async () => {
  const expected: Record<string, string>[] = JSON.parse(
    readFileSync("fixtures/formats/numbers-parquet.json", "utf8"),
  );
  const rows = await readAll("fixtures/formats/numbers.parquet");
  const printed = rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, print(value)])),
  );
  expect(printed).toEqual(expected);
});
