/** @file Examples from a file that was dropped or from pasted text, as Node reads them from a file: JSONL, JSON, CSV, TSV and plain text. */

import { parse } from "csv-parse/sync";
import { InputError } from "../../core/errors.ts";
import { detectDelimiter, recordDelimiters } from "../../node/formats/csv-delimiter.ts";
import type { ExampleRow } from "../../web/examples.ts";

/** In bytes; beyond it, the texts alone would fill a tab. */
export const maximumBytes = 100e6;

const readers: Readonly<Record<string, (text: string, name: string) => ExampleRow[]>> = {
  csv: readCsv,
  tsv: (text, name) => readCsv(text, name, "\t"),
  json: readJson,
  jsonl: readJsonLines,
  ndjson: readJsonLines,
  txt: (text) =>
    text
      .split(/\r?\n(?:[ \t]*\r?\n)+/)
      .map((paragraph) => ({ text: paragraph.trim() }))
      .filter(({ text }) => text !== ""),
};

/** @throws InputError if the file is too large, of another kind, or damaged; naming it and the line. */
export async function readRowsOf(file: File): Promise<ExampleRow[]> {
  const { name, size } = file;
  const ending = /\.(\w+)$/.exec(name)?.[1]?.toLowerCase() ?? "";
  const endings = Object.keys(readers).map((each) => `.${each}`);
  if (!Object.hasOwn(readers, ending))
    throw new InputError(
      `${name} is of no kind that this page reads; give a file that ends in ${endings.join(", ")}.`,
    );
  if (size > maximumBytes)
    throw new InputError(
      `${name} has ${Math.round(size / 1e6)} MB, of which a tab holds ${maximumBytes / 1e6} at most; take a part, or tune by slimtune on a machine.`,
    );
  return expectRows(readers[ending]!(decode(await file.arrayBuffer(), name), name), name);
}

/** Pasted rows: a list in JSON, an object a line, or CSV with a header. @throws InputError as {@link readRowsOf} */
export function readPastedRows(text: string): ExampleRow[] {
  const name = "The pasted text";
  const [first] = text.trimStart();
  const kind = first === "[" ? "json" : first === "{" ? "jsonl" : "csv";
  return expectRows(readers[kind]!(text, name), name);
}

function decode(bytes: ArrayBuffer, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${name} is no text in UTF-8; convert the file.`);
  }
}

function expectRows(rows: ExampleRow[], name: string): ExampleRow[] {
  if (rows.length > 0) return rows;
  throw new InputError(
    `${name} holds no examples; a CSV begins with a line that names the columns, such as prompt,completion.`,
  );
}

function readCsv(
  text: string,
  name: string,
  delimiter = detectDelimiter(text.slice(0, 65_536), name),
): ExampleRow[] {
  try {
    return parse(text, {
      bom: true,
      columns: (names: string[]) => expectDistinct(names, name),
      delimiter,
      record_delimiter: recordDelimiters,
      skip_empty_lines: true,
    });
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${name}: ${(error as Error).message.replace(/\.?$/, ".")}`);
  }
}

function expectDistinct(names: string[], name: string): string[] {
  const twice = names.find((column, index) => names.indexOf(column) < index);
  if (twice === undefined) return names;
  throw new InputError(`${name}: two columns have the name "${twice}"; rename one.`);
}

function readJson(text: string, name: string): ExampleRow[] {
  const value = parseJson(text, name);
  const rows = Array.isArray(value) ? value : (value as { data?: unknown } | null)?.data;
  if (!Array.isArray(rows)) throw new InputError(`${name} holds no list of examples.`);
  return rows.map((row, index) => expectObject(row, `${name}, example ${index + 1}`));
}

function readJsonLines(text: string, name: string): ExampleRow[] {
  return text.split("\n").flatMap((line, index) => {
    const where = `${name}, line ${index + 1}`;
    return line.trim() === "" ? [] : [expectObject(parseJson(line, where), where)];
  });
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    throw new InputError(`${where} is not valid JSON: ${(error as Error).message}.`);
  }
}

function expectObject(value: unknown, where: string): ExampleRow {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as ExampleRow;
  throw new InputError(`${where}: the example is not an object with named fields.`);
}
