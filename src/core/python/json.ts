/** @file Python's JSON: integers and floats stay what they are, and are written as Python writes them. */

import { Float, readInteger, toInteger } from "./number.ts";

/** A number outside of texts that JavaScript would take for another: a whole float, or an integer of many digits. */
const special = /-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
const mayHoldSpecial = /(?:^|[[:,\s])-?(?:\d{16}|\d+\.0+(?![\d])|\d+(?:\.\d+)?[eE])/;

/**
 * The value of a JSON text, as `JSON.parse` gives it, but for numbers that would become others in JavaScript: a float
 * with a whole value, such as 7.0 or 1e20, is a `Float`, and an integer beyond 2^53 a bigint.
 *
 * @throws SyntaxError as `JSON.parse` does; Error if an integer has more digits than Python reads.
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (!mayHoldSpecial.test(text)) return value;
  let key = "number";
  while (text.includes(key)) key += "_";
  return JSON.parse(markNumbers(text, key), (_, entry) => {
    const number = typeof entry === "object" && entry !== null ? entry[key] : undefined;
    return typeof number === "string" ? numberOf(number) : entry;
  });
}

function numberOf(text: string): number | bigint | Float {
  return /[.eE]/.test(text) ? new Float(Number(text)) : readInteger(text)!;
}

/** The text with its special numbers in objects under the given key. */
function markNumbers(text: string, key: string): string {
  const mark = (number: string) => {
    const value = Number(number);
    const isSpecial = /[.eE]/.test(number)
      ? Number.isInteger(value) || !Number.isFinite(value)
      : !Number.isSafeInteger(value);
    return isSpecial ? `{"${key}":"${number}"}` : number;
  };
  const parts: string[] = [];
  for (let position = 0; position < text.length; ) {
    const start = indexOrEnd(text, '"', position);
    parts.push(text.slice(position, start).replace(special, mark));
    position = endOfText(text, start);
    parts.push(text.slice(start, position));
  }
  return parts.join("");
}

/** Where the text ends that begins with the quote at `start`. */
function endOfText(text: string, start: number): number {
  let end = indexOrEnd(text, '"', start + 1);
  for (; end < text.length; end = indexOrEnd(text, '"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return end + 1;
  }
  return end;
}

function indexOrEnd(text: string, part: string, from: number): number {
  const index = text.indexOf(part, from);
  return index < 0 ? text.length : index;
}

/** Options of `json.dumps`. */
export interface JsonOptions {
  /** Spaces of each level, or what stands for them; by default all is on one line. */
  readonly indent?: number | string | undefined;
  readonly separators?: readonly [item: string, key: string] | undefined;
  readonly sortKeys?: boolean;
  readonly ensureAscii?: boolean;
  /** Is told the number of characters before they are written. */
  readonly spend?: (characters: number) => void;
  /** Lists and dicts of other kinds than arrays, maps and plain objects; undefined of what has no JSON. */
  readonly unwrap?: (value: object) => readonly unknown[] | ReadonlyMap<unknown, unknown> | undefined;
}

/**
 * `json.dumps`.
 *
 * @throws Error if a value has no JSON.
 */
export function formatJson(value: unknown, options: JsonOptions = {}): string {
  return writeJson(value, options, "\n");
}

function writeJson(value: unknown, options: JsonOptions, lineBreak: string): string {
  const { indent, sortKeys, spend = () => {} } = options;
  const [itemSeparator, keySeparator] = options.separators ?? [indent === undefined ? ", " : ",", ": "];
  const scalar = writeScalar(value, options);
  if (scalar !== undefined) {
    spend(scalar.length);
    return scalar;
  }
  const container = containerOf(value as object, options);
  const isList = Array.isArray(container);
  const entries: readonly unknown[] = isList ? container : [...(container as ReadonlyMap<unknown, unknown>)];
  const [open, close] = isList ? "[]" : "{}";
  spend(entries.length * 32 + 2);
  if (entries.length === 0) return `${open}${close}`;
  const step = typeof indent === "number" ? Math.max(indent, 0) : 0;
  spend((entries.length + 1) * (lineBreak.length + step + itemSeparator.length + keySeparator.length));
  const inner =
    indent === undefined ? "" : lineBreak + (typeof indent === "string" ? indent : " ".repeat(step));
  const write = (entry: unknown) => writeJson(entry, options, inner);
  const sorted = isList || !sortKeys ? entries : [...(entries as [string, unknown][])].sort(byKey);
  const parts = sorted.map((entry) => {
    if (isList) return write(entry);
    const [key, item] = entry as [unknown, unknown];
    return writeScalar(String(key), options) + keySeparator + write(item);
  });
  return `${open}${inner}${parts.join(itemSeparator + inner)}${indent === undefined ? "" : lineBreak}${close}`;
}

function byKey([a]: [unknown, unknown], [b]: [unknown, unknown]): number {
  return (a as string) < (b as string) ? -1 : 1;
}

/** Undefined of a list or a dict. */
function writeScalar(value: unknown, { ensureAscii, spend = () => {} }: JsonOptions): string | undefined {
  if (typeof value === "string") {
    // The longest escape of a character.
    spend(value.length * 6);
    const text = JSON.stringify(value);
    return ensureAscii ? text.replace(/[\x7f-\uffff]/g, escapeUnit) : text;
  }
  if (value instanceof Float) return writeFloat(value.value);
  if (typeof value === "number")
    return Number.isInteger(value) ? String(toInteger(value)) : writeFloat(value);
  if (typeof value === "bigint" || typeof value === "boolean" || value === null) return String(value);
  return undefined;
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function writeFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  return String(new Float(value));
}

function containerOf(value: object, { unwrap }: JsonOptions) {
  if (Array.isArray(value) || value instanceof Map) return value;
  const unwrapped = unwrap?.(value);
  if (unwrapped) return unwrapped;
  if (!unwrap && typeof value === "object") {
    return new Map(Object.entries(value).filter(([, entry]) => entry !== undefined));
  }
  throw new Error("it writes as JSON what has no JSON");
}
