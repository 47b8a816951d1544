/** @file Keys of a file by what they do, so that none that changes what is computed is passed over. */

import { areEqual } from "../equal.ts";
import { InputError } from "../errors.ts";
import { warn } from "../warnings.ts";
import { quote } from "./weight-file.ts";

/**
 * What a key does: "used" is read elsewhere, "harmless" has no part in what is computed, and of a list only these values have
 * none, so that any other is refused. Null stands for a key that is not given.
 */
export type KeyRole = "used" | "harmless" | readonly unknown[];

/** Roles by key. A key that ends in ".*" stands for all that begin so and are not there themselves. */
export type KeyTable = Readonly<Record<string, KeyRole>>;

/** The same role for several keys. */
export function withRole(role: KeyRole, ...keys: readonly string[]): KeyTable {
  return Object.fromEntries(keys.map((key) => [key, role]));
}

/** The role of a key, if the table has one. */
export function roleOf(table: KeyTable, key: string): KeyRole | undefined {
  if (Object.hasOwn(table, key)) return table[key];
  const parts = key.split(".");
  for (let length = parts.length - 1; length > 0; length--) {
    const group = `${parts.slice(0, length).join(".")}.*`;
    if (Object.hasOwn(table, group)) return table[group];
  }
  return undefined;
}

/**
 * Refuses values that change what is computed in a way that is not supported, and warns of keys that the table lacks.
 *
 * @param nameInTable the table's name of a file's key, where they differ
 * @throws InputError that names the key, its value and `file`.
 */
export function checkKeys(
  entries: Iterable<readonly [key: string, value: unknown]>,
  table: KeyTable,
  file: string,
  nameInTable: (key: string) => string = (key) => key,
): void {
  const unknown: string[] = [];
  for (const [key, value] of entries) {
    const role = roleOf(table, nameInTable(key));
    if (role === undefined) unknown.push(quote(key));
    else if (typeof role === "object" && value !== null) checkValue(key, value, role, file);
  }
  if (unknown.length > 0) {
    warn(
      `${file} sets ${unknown.join(", ")}, which slimtune does not know and ignores; if that changes what the model computes, its results are wrong.`,
    );
  }
}

function checkValue(key: string, value: unknown, allowed: readonly unknown[], file: string): void {
  const comparable = typeof value === "bigint" ? Number(value) : value;
  if (allowed.some((taken) => areEqual(taken, comparable))) return;
  const options = allowed.map((taken) => JSON.stringify(taken)).join(" or ");
  throw new InputError(
    `${file} sets ${quote(key)} to ${shorten(comparable)}, which changes what is computed and is not supported${options === "" ? "" : ` (only ${options} is)`}; choose another model or adapter, or one that was converted to do without.`,
  );
}

/** A value as JSON, no longer than a line can show. */
function shorten(value: unknown): string {
  const text = JSON.stringify(value, (_key, part) => (typeof part === "bigint" ? Number(part) : part));
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}
