/** @file Files of rows: JSONL, JSON, CSV, TSV, Parquet and plain text, read one row at a time. */

import { constants } from "node:buffer";
import { createReadStream, readFileSync, statSync } from "node:fs";
import { extname } from "node:path";
import { pipeline, Readable } from "node:stream";
import { parse as parseCsv } from "csv-parse";
import {
  asyncBufferFromFile,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type SchemaTree,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { Row } from "../../core/data/row-fields.ts";
import { InputError } from "../../core/errors.ts";
import { parseJsonText } from "../../core/formats/json-text.ts";
import { Float } from "../../core/python/number.ts";
import { detectDelimiter, recordDelimiters } from "./csv-delimiter.ts";
import { expectNoWebPage, expectText, knownEndings } from "./file-kind.ts";

type RowReader = (path: string) => AsyncIterable<Row>;

const readers: Readonly<Record<string, RowReader>> = {
  ".jsonl": readJsonLines,
  ".ndjson": readJsonLines,
  ".json": readJson,
  ".csv": readCsv,
  ".tsv": (path) => readCsv(path, "\t"),
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
  if (!file.isFile()) throw new InputError(`${path} is not a file.`);
  const extension = extname(path).toLowerCase();
  const reader = readers[extension];
  if (!reader) {
    const kind = knownEndings[extension] ?? "is of no known kind";
    throw new InputError(`${path} ${kind}; examples are read from ${rowFileExtensions.join(", ")}.`);
  }
  if (extension !== ".parquet") expectText(path);
  if (extension !== ".txt") expectNoWebPage(path);
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
    if (text.trimStart().startsWith("[")) {
      throw new InputError(
        `${path}, line ${line}: a list begins here, not an object with named fields; if the file is one list of examples, name it .json.`,
      );
    }
    if (text.trim() === "{") {
      throw new InputError(
        `${path}, line ${line}: an example goes over several lines; write each on one line, or all as a list in a .json file.`,
      );
    }
    yield { fields: expectObject(parseJsonText(text, path, line), path, line), line };
  }
}

async function* readJson(path: string): AsyncGenerator<Row> {
  const text = decodeUtf8(readWhole(path), path).replace(/^\ufeff/, "");
  if (/^\s*\{[^\n]*\}\s*\n\s*\{/.test(text)) {
    throw new InputError(`${path} is not valid JSON: each line is an example; name the file .jsonl.`);
  }
  const value = parseJsonText(text, path);
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

/** Enough of a CSV file, in characters, to tell what separates its columns. */
const sampleLength = 2 ** 16;

async function* readCsv(path: string, separator?: string): AsyncGenerator<Row> {
  const lines = readLines(path);
  const first: string[] = [];
  let length = 0;
  let delimiter = separator;
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    const { text, line } = next.value;
    // Excel names the separator in a line before the header, which is left empty to keep the count of lines.
    const named = line === 1 ? /^sep=(.)\r?$/.exec(text)?.[1] : undefined;
    delimiter = named ?? delimiter;
    first.push(named === undefined ? `${text}\n` : "\n");
    length += text.length;
    if (length >= sampleLength) break;
  }
  const source = async function* () {
    yield* first;
    for await (const { text } of lines) yield `${text}\n`;
  };
  const options = {
    columns: (names: string[]) => checkColumns(names, path),
    delimiter: delimiter ?? detectDelimiter(first.join(""), path),
    info: true,
    record_delimiter: recordDelimiters,
    skip_empty_lines: true,
    max_record_size: maximumLineBytes,
  } as const;
  // A failed source destroys the parser with its error, which the loop below throws.
  const parser = pipeline(Readable.from(source()), parseCsv(options), () => {});
  try {
    for await (const { record, info } of parser) yield { fields: record, line: info.lines };
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${path}: ${(error as Error).message.replace(/\.?$/, ".")}`);
  }
}

function checkColumns(names: string[], path: string): string[] {
  const twice = names.find((name, index) => name !== "" && names.indexOf(name) < index);
  if (twice === undefined) return names;
  throw new InputError(`${path}: two columns have the name "${twice}"; rename one.`);
}

async function* readParquet(path: string): AsyncGenerator<Row> {
  let line = 0;
  try {
    const file = await asyncBufferFromFile(path);
    const end = file.byteLength - 8;
    const footerLength = new DataView(await file.slice(Math.max(end, 0), file.byteLength)).getUint32(0, true);
    const footer = await file.slice(Math.max(end - footerLength, 0), end);
    checkStruct({ view: new DataView(footer), offset: 0 });
    const metadata = await parquetMetadataAsync(file);
    checkMetadata(metadata, file.byteLength);
    const schema = parquetSchema(metadata);
    const decimals = new Set(schema.children.filter(isDecimal).map(({ element }) => element.name));
    for (const { num_rows } of metadata.row_groups) {
      const rowEnd = line + Number(num_rows);
      const read = { file, metadata, compressors: boundedCompressors, parsers, rowStart: line, rowEnd };
      for (const row of await parquetReadObjects(read)) {
        const fields = Object.entries(row).map(([name, value]) => [
          name,
          decimals.has(name) && typeof value === "number" ? roundDecimal(value) : toJsonValue(value),
        ]);
        const values = keepFloats(Object.fromEntries(fields), schema);
        yield { fields: values as Row["fields"], line: ++line };
      }
    }
  } catch (error) {
    const reason = (error as Error).message.replace(/\.?$/, ".");
    throw new InputError(`${path} cannot be read as Parquet: ${reason}`);
  }
}

/** A value of a column with its whole floats as such, which JavaScript would take for integers. */
function keepFloats(value: unknown, column: SchemaTree): unknown {
  const { element, children } = column;
  if (typeof value === "number") {
    const isFloat = element.type === "DOUBLE" || element.type === "FLOAT";
    return isFloat && Number.isInteger(value) ? new Float(value) : value;
  }
  if (Array.isArray(value)) {
    const [inner = column] = children;
    // Around the elements of a list stands a group of its own.
    const items = inner.children.length === 1 ? inner.children[0]! : inner;
    return value.map((entry) => keepFloats(entry, items));
  }
  if (children.length === 0 || typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => {
    const child = children.find((candidate) => candidate.element.name === name);
    return [name, child ? keepFloats(field, child) : field];
  });
  return Object.fromEntries(fields);
}

/** Texts that are no UTF-8, such as images in columns without a type, stay bytes. */
const parsers = {
  stringFromBytes(bytes: Uint8Array | undefined): string | Uint8Array | undefined {
    try {
      return bytes && utf8.decode(bytes);
    } catch {
      return bytes;
    }
  },
};

/** A value as JSON would hold it: whole numbers that are exact as numbers, and times as texts of ISO 8601. */
function toJsonValue(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(toJsonValue);
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, toJsonValue(field)]));
}

function isDecimal({ element }: SchemaTree): boolean {
  return element.converted_type === "DECIMAL";
}

/** Decimals are read as multiples of a power of ten, whose error is beyond the digits that a number holds for certain. */
function roundDecimal(value: number): number {
  return Number(value.toPrecision(15));
}

interface Cursor {
  readonly view: DataView;
  offset: number;
}

/**
 * Walks over a struct in Thrift's compact protocol, in which the footer is written, to find lists that claim more
 * elements than there are bytes: hyparquet makes room for the elements before it reads them.
 */
function checkStruct(cursor: Cursor): void {
  for (;;) {
    const header = readByte(cursor);
    const type = header & 15;
    if (type === 0) return;
    if (header < 16) readVarint(cursor);
    // The header of a boolean field is also its value.
    if (type > 2) checkValue(cursor, type);
  }
}

function checkValue(cursor: Cursor, type: number): void {
  if (type <= 3) cursor.offset += 1;
  else if (type <= 6) readVarint(cursor);
  else if (type === 7) cursor.offset += 8;
  else if (type === 8) {
    const length = readVarint(cursor);
    cursor.offset += length;
  } else if (type === 9) checkList(cursor);
  else if (type === 12) checkStruct(cursor);
  else throw new Error(`its footer has a field of the unknown type ${type}`);
}

function checkList(cursor: Cursor): void {
  const header = readByte(cursor);
  const size = header < 0xf0 ? header >> 4 : readVarint(cursor);
  const left = cursor.view.byteLength - cursor.offset;
  if (size > left) throw new Error(`its footer has a list of ${size} elements in ${left} bytes`);
  for (let i = 0; i < size; i++) checkValue(cursor, header & 15);
}

function readByte(cursor: Cursor): number {
  if (cursor.offset >= cursor.view.byteLength) throw new Error("its footer is cut off");
  return cursor.view.getUint8(cursor.offset++);
}

function readVarint(cursor: Cursor): number {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = readByte(cursor);
    value += (byte & 127) * scale;
    if (byte < 128) return value;
  }
}

/**
 * Checks what hyparquet takes from the footer unseen. Of columns that are not in the schema, or twice, or
 * outside of the file, it would lose the errors, which ends the process; and of rows it would make as many as the
 * footer says.
 */
function checkMetadata(metadata: FileMetaData, byteLength: number): void {
  for (const { name, converted_type } of metadata.schema) {
    if (converted_type === "INTERVAL" || converted_type === "BSON")
      throw new Error(
        `the column "${name}" is of the type ${converted_type}, which is not supported; leave it out`,
      );
  }
  const leaves = leafPaths(parquetSchema(metadata));
  if (new Set(leaves).size !== leaves.length) throw new Error("two columns have the same name");
  for (const [index, { columns, num_rows }] of metadata.row_groups.entries()) {
    const where = `row group ${index + 1}`;
    // Examples take at least a bit each.
    if (typeof num_rows !== "bigint" || num_rows < 0n || num_rows > 8 * byteLength) {
      throw new Error(`${where} claims an impossible number of rows`);
    }
    const paths = columns.map(({ meta_data }) => JSON.stringify(meta_data?.path_in_schema));
    if (JSON.stringify(paths) !== JSON.stringify(leaves)) {
      throw new Error(`the columns of ${where} are not those of the schema`);
    }
    for (const { meta_data } of columns) {
      const { data_page_offset, dictionary_page_offset, total_compressed_size } = meta_data!;
      const start = Number(dictionary_page_offset || data_page_offset);
      const end = start + Number(total_compressed_size);
      if (!(start >= 0 && start < end && end <= byteLength)) {
        throw new Error(`a column of ${where} reaches beyond the file`);
      }
    }
  }
}

/** The paths of a schema's leaves, which are the columns, in their order. */
function leafPaths({ children, path }: SchemaTree): string[] {
  return children.length === 0 ? [JSON.stringify(path)] : children.flatMap(leafPaths);
}

/** The decompressors, which allocate what a page's header says, for pages that are not mostly made up. */
const boundedCompressors: Compressors = Object.fromEntries(
  Object.entries(compressors).map(([codec, decompress]) => [
    codec,
    (input: Uint8Array, outputLength: number) => {
      if (outputLength > 2 ** 20 + 2 ** 10 * input.length) {
        throw new Error(`a page of ${input.length} bytes claims to hold ${outputLength}`);
      }
      return decompress(input, outputLength);
    },
  ]),
);

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
