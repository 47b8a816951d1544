/** @file Fields of documents, with errors that say which is missing. */

import type { Doc } from "../task.ts";

/** @throws Error if the field is missing or no text. */
export function textField(doc: Doc, name: string): string {
  const value = doc[name];
  if (typeof value !== "string")
    throw new Error(`the field "${name}" ${value === undefined ? "is missing" : "is no text"}`);
  return value;
}

/** @throws Error if the field is missing or no list of texts. */
export function textsField(doc: Doc, name: string): readonly string[] {
  const value = doc[name];
  if (!Array.isArray(value) || !value.every((element) => typeof element === "string")) {
    throw new Error(`the field "${name}" ${value === undefined ? "is missing" : "is no list of texts"}`);
  }
  return value;
}
