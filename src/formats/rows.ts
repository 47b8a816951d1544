/** @file Files of rows: JSONL, JSON, CSV, Parquet and plain text, read one row at a time. */

import { constants } from "node:buffer";
import { createReadStream, readFileSync, statSync } from "node:fs";
import { extname } from "node:path";
import { pipeline, Readable } from "node:stream";
import { parse as parseCsv } from "csv-parse";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { InputError } from "../errors.ts";

export interface Row {
  readonly fields: Readonly<Record<string, unknown>>;
  /** Where the row stands: its (last) line in the file, or its number in .json and .parquet; counted from 1. */
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
 * field "text". Rows are read as they are asked for, but for .json, which is read whole, and .parquet, by row groups.
 *
 * @throws InputError if there is no such file or it is of an unknown kind; and, while reading, naming file and line, if
 *   it is damaged.
 */
export function readRows(path: string): AsyncIterable<Row> {
  const file = statSync(path, { throwIfNoEntry: false });
  if (!file) throw new InputError(`There is no file ${path}.`);
  if (file.isDirectory()) throw new InputError(`${path} is a folder; name a file of examples in it.`);
  const reader = readers[extname(path).toLowerCase()];
  if (!reader) {
    throw new InputError(
      `${path} is of no known kind; examples are read from ${rowFileExtensions.join(", ")}.`,
    );
  }
  return reader(path);
}

/** No example comes near this; a file without line breaks would fill the memory. */
const maximumLineBytes = 2 ** 26;
const lineFeed = 0x0a;

/**
 * The lines of a UTF-8 file without their line feeds, and without the byte-order mark. Unlike node:readline, it fails
 * on bytes that are not UTF-8, of which a model would be taught replacement characters.
 */
async function* readLines(path: string): AsyncGenerator<{ readonly text: string; readonly line: number }> {
  let line = 1;
  let parts: Buffer[] = [];
  let size = 0;
  const append = (part: Buffer) => {
    parts.push(part);
    size += part.length;
    if (size > maximumLineBytes) {
      throw new InputError(`${path}, line ${line}: the line is longer than ${maximumLineBytes} bytes.`);
    }
  };
  const finish = () => {
    const text = decodeUtf8(Buffer.concat(parts), `${path}, line ${line}`);
    const finished = { text: line === 1 ? text.replace(/^\ufeff/, "") : text, line };
    line++;
    parts = [];
    size = 0;
    return finished;
  };
  for await (const chunk of readChunks(path)) {
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      append(chunk.subarray(start, end));
      yield finish();
      start = end + 1;
    }
    append(chunk.subarray(start));
  }
  if (size > 0) yield finish();
}

async function* readChunks(path: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path);
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${(error as Error).message}.`);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Uint8Array, where: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new InputError(`${where}: the text is not in UTF-8; convert the file.`);
  }
}

async function* readJsonLines(path: string): AsyncGenerator<Row> {
  for await (const { text, line } of readLines(path)) {
    if (text.trim() === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new InputError(`${path}, line ${line}: it is not valid JSON.`);
    }
    yield { fields: expectObject(value, path, line), line };
  }
}

async function* readJson(path: string): AsyncGenerator<Row> {
  const text = decodeUtf8(readWhole(path), path).replace(/^\ufeff/, "");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError(`${path} is not valid JSON; if each line is an example, name the file .jsonl.`);
  }
  const rows = Array.isArray(value) ? value : (value as { data?: unknown } | null)?.data;
  if (!Array.isArray(rows)) throw new InputError(`${path} holds no list of examples.`);
  for (const [index, row] of rows.entries())
    yield { fields: expectObject(row, path, index + 1), line: index + 1 };
}

function readWhole(path: string): Buffer {
  if (statSync(path).size > constants.MAX_STRING_LENGTH) {
    throw new InputError(`${path} is too large to be read as one JSON text; convert it to .jsonl.`);
  }
  try {
    return readFileSync(path);
  } catch (error) {
    throw new InputError(`${path} cannot be read: ${(error as Error).message}.`);
  }
}

function expectObject(value: unknown, path: string, line: number): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new InputError(`${path}, line ${line}: the example is not an object with named fields.`);
}

async function* readCsv(path: string): AsyncGenerator<Row> {
  const options = { columns: true, info: true, skip_empty_lines: true, max_record_size: maximumLineBytes };
  const source = async function* () {
    for await (const { text } of readLines(path)) yield `${text}\n`;
  };
  // A failed source destroys the parser with its error, which the loop below throws.
  const parser = pipeline(Readable.from(source()), parseCsv(options), () => {});
  try {
    for await (const { record, info } of parser) yield { fields: record, line: info.lines };
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${path}: ${(error as Error).message.replace(/\.?$/, ".")}`);
  }
}

async function* readParquet(path: string): AsyncGenerator<Row> {
  let line = 0;
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    for (const { num_rows } of metadata.row_groups) {
      const rowEnd = line + Number(num_rows);
      const rows = await parquetReadObjects({ file, metadata, compressors, rowStart: line, rowEnd });
      for (const fields of rows) yield { fields, line: ++line };
    }
  } catch (error) {
    throw new InputError(`${path} cannot be read as Parquet: ${(error as Error).message}.`);
  }
}

async function* readText(path: string): AsyncGenerator<Row> {
  let paragraph: string[] = [];
  let start = 1;
  const finish = () => ({ fields: { text: paragraph.join("\n") }, line: start });
  for await (const { text, line } of readLines(path)) {
    if (text.trim() !== "") {
      if (paragraph.length === 0) start = line;
      paragraph.push(text.replace(/\r$/, ""));
    } else if (paragraph.length > 0) {
      yield finish();
      paragraph = [];
    }
  }
  if (paragraph.length > 0) yield finish();
}
