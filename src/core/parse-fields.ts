/** @file Checks values of files and options, with one sentence for the first thing that is wrong. */

import { closest, distance } from "fastest-levenshtein";
import type { z } from "zod";
import { InputError } from "./errors.ts";

type Issue = z.core.$ZodRawIssue;

/**
 * @param where names the file, and the place in it, in errors.
 * @throws InputError if the value does not have the schema's form.
 */
export function parseFields<T extends z.ZodType>(schema: T, value: unknown, where: string): z.output<T> {
  const result = schema.safeParse(value, { error: describeIssue });
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const path = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    const of = path ? ` in ${path}` : "";
    throw new InputError(
      `${where}: the field ${issue.keys.join(", ")}${of} is not supported; leave it out, or see the documentation.`,
    );
  }
  throw new InputError(`${where}: ${path ? `${path}: ` : ""}${endSentence(issue.message)}`);
}

/**
 * The same for the options that a person gives, of which all that may be given are named.
 *
 * @param origin where the options come from
 * @throws InputError naming the first option that is unknown or has a bad value.
 */
export function parseOptions<T extends z.ZodType>(schema: T, options: unknown, origin: string): z.output<T> {
  const result = schema.safeParse(options, { error: describeIssue });
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const { path, message } = issue;
  if (issue.code === "unrecognized_keys") {
    const name = [...path, issue.keys[0]].join(".");
    const level = path.length > 0 ? `the options of ${path.join(".")}` : "the options";
    throw new InputError(`${origin}: there is no option "${name}"; ${level} are ${message}.`);
  }
  const problem = message.startsWith("it ") ? message.slice("it".length) : ` is bad: ${message}`;
  throw new InputError(`${origin}: the option "${path.join(".")}"${endSentence(problem)}`);
}

/** What is wrong and what to give instead, beginning with "it"; of unknown names, those that are known. */
function describeIssue(issue: Issue): string | undefined {
  const { input } = issue;
  switch (issue.code) {
    case "unrecognized_keys":
      return Object.keys((issue.inst as z.ZodObject).shape).join(", ");
    case "invalid_type":
    case "invalid_value":
      return describeMismatch(input, [issue]);
    case "invalid_union": {
      const branches = issue.errors.map(([first]) => first!);
      const closer = branches.find(
        ({ code, path }) => path.length > 0 || !/^invalid_(type|value)$/.test(code),
      );
      if (closer) return [...closer.path, closer.message].join(": ");
      return describeMismatch(input, branches as Mismatch[]);
    }
    case "invalid_key":
      return issue.issues[0]!.message;
    case "too_small":
    case "too_big": {
      const [limit, exclusive, inclusive] =
        issue.code === "too_small"
          ? [issue.minimum, "above", "at least"]
          : [issue.maximum, "below", "at most"];
      if (input === "") return "it is empty";
      if (typeof input === "string") return `it has ${input.length} characters; give ${inclusive} ${limit}`;
      if (Array.isArray(input)) return `it is a list of ${input.length}; give ${inclusive} ${limit}`;
      return `it is ${input}; it must be ${issue.inclusive ? inclusive : exclusive} ${limit}`;
    }
    default:
      return undefined;
  }
}

function endSentence(text: string): string {
  return text.replace(/[.?]?$/, (end) => end || ".");
}

type Mismatch =
  | { readonly code: "invalid_type"; readonly expected: string }
  | { readonly code: "invalid_value"; readonly values: readonly unknown[] };

/** @param wanted the alternatives */
function describeMismatch(value: unknown, wanted: readonly Mismatch[]): string {
  if (value === undefined) return "it is missing";
  const types = wanted.map((one) => (one.code === "invalid_type" ? one.expected : ""));
  const names = wanted.flatMap((one) =>
    one.code === "invalid_type" ? [typeNames[one.expected] ?? one.expected] : one.values.map(quote),
  );
  const alternatives = [names.slice(0, -1).join(", "), ...names.slice(-1)].filter((part) => part !== "");
  const near = typeof value === "string" ? findNear(value, wanted) : undefined;
  const meant = near === undefined ? "" : `; did you mean ${quote(near)}?`;
  return `it is ${describeValue(value)}; give ${alternatives.join(" or ")}${suggest(value, types)}${meant}`;
}

/** The name that is meant by one which is written a little differently. */
function findNear(value: string, wanted: readonly Mismatch[]): string | undefined {
  const names = wanted.flatMap((one) => (one.code === "invalid_value" ? one.values : []));
  const texts = names.filter((name) => typeof name === "string");
  if (texts.length === 0) return undefined;
  const near = closest(value.toLowerCase(), texts);
  return distance(value.toLowerCase(), near) <= Math.max(2, near.length / 3) ? near : undefined;
}

const typeNames: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a table of names and values",
  record: "a table of names and values",
};

function describeValue(value: unknown): string {
  if (value === null) return "empty";
  if (typeof value === "string") return `the text ${quote(value)}`;
  if (typeof value === "number") return `the number ${value}`;
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a table of names and values" : String(value);
}

function quote(value: unknown): string {
  return typeof value === "string" && value.length > 60
    ? JSON.stringify(`${value.slice(0, 60)}…`)
    : JSON.stringify(value);
}

/** How the same value would be written in one of the types. */
function suggest(value: unknown, types: readonly string[]): string {
  const wants = (...names: string[]) => types.some((type) => names.includes(type));
  if (typeof value === "string") {
    const isNumber = value.trim() !== "" && Number.isFinite(Number(value));
    if ((isNumber && wants("number", "int")) || (/^(?:true|false)$/.test(value) && wants("boolean")))
      return `: ${value.trim()} without quotes`;
    if (wants("array")) return `: [${value}]`;
  }
  if (["number", "boolean"].includes(typeof value) && wants("string")) return `: "${value}" in quotes`;
  return "";
}
