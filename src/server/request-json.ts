/** @file The JSON of a request: bytes to a value without nulls, damaged text or endless nesting. */

import { findJsonFault } from "../core/formats/json-text.ts";
import { ApiError } from "./api-error.ts";

/** More levels than any request needs, and fewer than it takes to exhaust the stack. */
const deepest = 200;

const loneSurrogate = /\p{Surrogate}/u;

/**
 * The value of a body. Fields that are null count as left out, as in OpenAI's API, at every level.
 *
 * @throws ApiError 400 that says what is wrong with the body, or names the field that is at fault.
 */
export function parseRequestJson(body: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw new ApiError(400, "The body of the request is not valid UTF-8.");
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const { reason, index } = findJsonFault(text)!;
    throw new ApiError(
      400,
      `The body of the request is not valid JSON: ${reason} (character ${index + 1} of the body).`,
    );
  }
  return clean(value, []);
}

/** ["messages", 0, "role"] as "messages[0].role". */
export function nameField(path: readonly PropertyKey[]): string {
  return path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("")
    .replace(/^\./, "");
}

function clean(value: unknown, path: PropertyKey[]): unknown {
  if (typeof value === "string") {
    if (loneSurrogate.test(value))
      throw refuse(path, "it has half of a surrogate pair, which is no character.");
    return value;
  }
  if (typeof value !== "object" || value === null) return value;
  if (path.length === deepest) throw refuse(path.slice(0, 1), `it is nested deeper than ${deepest} levels.`);
  const cleanPart = (key: PropertyKey, part: unknown) => {
    path.push(key);
    const cleaned = clean(part, path);
    path.pop();
    return cleaned;
  };
  if (Array.isArray(value)) return value.map((part, i) => cleanPart(i, part));
  const fields = Object.entries(value).filter(([, field]) => field !== null);
  return Object.fromEntries(
    fields.map(([key, field]) => {
      if (loneSurrogate.test(key)) throw refuse(path, "it has a field whose name is no text.");
      return [key, cleanPart(key, field)];
    }),
  );
}

function refuse(path: readonly PropertyKey[], reason: string): ApiError {
  const param = nameField(path);
  return new ApiError(400, `${param || "The body"}: ${reason}`, param === "" ? {} : { param });
}
