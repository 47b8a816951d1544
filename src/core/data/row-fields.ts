/** @file The fields of a row, with checks that name file and line. */

import { InputError } from "../errors.ts";
import { parseJson } from "../python/json.ts";

/** A row of a file of examples. */
export interface Row {
  /** Values as in JSON. Of numbers, those that JavaScript would take for others are as `parseJson` gives them. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Where the row stands: its (last) line in the file, or its number in .json and .parquet; counted from 1. */
  readonly line: number;
}

/** A row's fields, with checks. */
export interface Fields {
  text(name: string): string;
  optionalText(name: string): string;
  /** A list, or the JSON of one. */
  list(name: string): readonly unknown[];
  value(name: string): unknown;
  fail(reason: string): never;
}

export function checkFields(fields: Readonly<Record<string, unknown>>, path: string, line: number): Fields {
  const fail = (reason: string): never => {
    throw new InputError(`${path}, line ${line}: ${reason}.`);
  };
  const text = (name: string): string => {
    const value = fields[name];
    return typeof value === "string" ? value : fail(`the field "${name}" is not a text`);
  };
  return {
    fail,
    text,
    optionalText: (name) => (fields[name] == null ? "" : text(name)),
    value: (name) => fields[name],
    list(name) {
      const value = fields[name];
      const list = typeof value === "string" ? parseJsonText(value) : value;
      return Array.isArray(list) ? list : fail(`the field "${name}" is not a list`);
    },
  };
}

/** The value of a JSON text; undefined if it is none. */
export function parseJsonText(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

/** Whether a field holds more than nothing. */
export function saysSomething(value: unknown): boolean {
  return value != null && value !== "" && !(Array.isArray(value) && value.length === 0);
}
