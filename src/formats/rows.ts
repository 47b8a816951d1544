/** @file Files of rows: JSONL, JSON, CSV, Parquet and plain text, read one row at a time. */

import { createReadStream, existsSync, readFileSync } from "node:fs";
import { extname } from "node:path";
import { createInterface } from "node:readline";
import { parse as parseCsv } from "csv-parse";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { InputError } from "../errors.ts";

export interface Row {
  readonly fields: Readonly<Record<string, unknown>>;
  /** Where the row stands: a line of the file, or its number where there are no lines; counted from 1. */
  readonly line: number;
}

type RowReader = (path: string) => AsyncIterable<Row>;

const readers: Readonly<Record<string, RowReader>> = {
  ".jsonl": readJsonLines,
  ".ndjson": readJsonLines,
  ".json": readJson,
  ".csv": readCsv,
  ".parquet": readParquet,
  ".txt": readText,
};

export const rowFileExtensions = Object.keys(readers);

/**
 * The rows of a file, by its extension. Of plain text, each paragraph (ended by an empty line) is a row with the one
 * field "text".
 *
 * @throws InputError, while reading, naming file and line, if the file is missing, of an unknown kind or damaged.
 */
export function readRows(path: string): AsyncIterable<Row> {
  if (!existsSync(path)) throw new InputError(`There is no file ${path}.`);
  const reader = readers[extname(path).toLowerCase()];
  if (!reader) {
    throw new InputError(
      `${path} is of no known kind; examples are read from ${rowFileExtensions.join(", ")}.`,
    );
  }
  return reader(path);
}

async function* readJsonLines(path: string): AsyncGenerator<Row> {
  let line = 0;
  for await (const text of createInterface({
    input: createReadStream(path),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    line++;
    const content = line === 1 ? text.replace(/^\ufeff/, "") : text;
    if (content.trim() === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(content);
    } catch {
      throw new InputError(`${path}, line ${line}: it is not valid JSON.`);
    }
    yield { fields: expectObject(value, path, line), line };
  }
}

async function* readJson(path: string): AsyncGenerator<Row> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8").replace(/^\ufeff/, ""));
  } catch {
    throw new InputError(`${path} is not valid JSON.`);
  }
  const rows = Array.isArray(value) ? value : (value as { data?: unknown } | null)?.data;
  if (!Array.isArray(rows)) throw new InputError(`${path} holds no list of examples.`);
  for (const [index, row] of rows.entries())
    yield { fields: expectObject(row, path, index + 1), line: index + 1 };
}

function expectObject(value: unknown, path: string, line: number): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new InputError(`${path}, line ${line}: the example is not an object with named fields.`);
}

async function* readCsv(path: string): AsyncGenerator<Row> {
  const parser = createReadStream(path).pipe(
    parseCsv({ columns: true, bom: true, info: true, skip_empty_lines: true }),
  );
  try {
    for await (const { record, info } of parser) yield { fields: record, line: info.lines };
  } catch (error) {
    throw new InputError(`${path}: ${(error as Error).message.replace(/\.?$/, ".")}`);
  }
}

async function* readParquet(path: string): AsyncGenerator<Row> {
  let rows: Record<string, unknown>[];
  try {
    rows = await parquetReadObjects({ file: await asyncBufferFromFile(path), compressors });
  } catch (error) {
    throw new InputError(`${path} cannot be read as Parquet: ${(error as Error).message}.`);
  }
  for (const [index, fields] of rows.entries()) yield { fields, line: index + 1 };
}

async function* readText(path: string): AsyncGenerator<Row> {
  let paragraph: string[] = [];
  let line = 0;
  let start = 1;
  for await (const text of createInterface({
    input: createReadStream(path),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    line++;
    if (text.trim() !== "") {
      if (paragraph.length === 0) start = line;
      paragraph.push(text);
    } else if (paragraph.length > 0) {
      yield { fields: { text: paragraph.join("\n") }, line: start };
      paragraph = [];
    }
  }
  if (paragraph.length > 0) yield { fields: { text: paragraph.join("\n") }, line: start };
}
