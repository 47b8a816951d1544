/** @file Documents as bytes: JSON from whoever wrote it. */

import { InputError } from "../core/errors.ts";
import { parseJson } from "../core/formats/json-document.ts";
import { checkSize, maxDocumentBytes } from "./transport.ts";

/** @throws InputError if it is no JSON, or too long. */
export function encodeDocument(key: string, value: unknown): Uint8Array {
  const text = JSON.stringify(value);
  if (text === undefined) throw new InputError(`The document "${key}" has no value that JSON could hold.`);
  const bytes = Buffer.from(text);
  checkSize(`The document "${key}"`, bytes.length, maxDocumentBytes);
  return bytes;
}

/** @throws InputError if the bytes are no JSON in UTF-8, nest too deep, or are too many. */
export function decodeDocument(space: string, key: string, bytes: Uint8Array): unknown {
  const what = `The document "${key}" of ${space}`;
  checkSize(what, bytes.length, maxDocumentBytes);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${what} is no text in UTF-8; have it written again.`);
  }
  return parseJson(text, what, "have it written again");
}
