/** @file JSON and YAML that anybody may have written: what is damaged, too deep or made to fill the memory is refused in a sentence. */

import { Lexer, Parser, parse } from "yaml";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { parseFields } from "../../core/parse-fields.ts";
import { readText } from "./read.ts";

/** An object of any fields. */
export const anyFields = z.record(z.string(), z.unknown());

/** Nothing that is read nests nearly as deep; more would exhaust the stack of whoever walks through it. */
const maxDepth = 100;

/**
 * Reads a JSON file and checks its fields.
 *
 * @param advice what to do if it is damaged
 * @throws InputError if there is none, or it is damaged or lacks a field.
 */
export function readJson<T extends z.ZodType>(path: string, schema: T, advice?: string): z.output<T> {
  return parseFields(schema, parseJson(readText(path), path, advice), path);
}

/**
 * @param where names the text in errors
 * @throws InputError if the text is not JSON, or nests too deep.
 */
export function parseJson(
  text: string,
  where: string,
  advice = "restore it, or have it written again",
): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError(`${where} is not valid JSON; ${advice}.`);
  }
  checkDepth(value, where);
  return value;
}

/** Reads a YAML file. @throws InputError if there is none, or it is damaged. */
export function readYaml(path: string): unknown {
  return parseYaml(readText(path), path);
}

/**
 * @param where names the text in errors
 * @throws InputError if the text is not YAML, nests too deep, or has aliases that would fill the memory.
 */
export function parseYaml(text: string, where: string): unknown {
  checkYamlDepth(text, where);
  let value: unknown;
  try {
    value = parse(text, { logLevel: "error" });
  } catch (error) {
    throw refuseYaml(error as Error, where);
  }
  // An alias can stand within what it names.
  checkDepth(value, where);
  return value;
}

/** What the library says of a text, in a sentence: its syntax is wrong, or an alias has no anchor or has too many copies. */
export function refuseYaml({ message }: Error, where: string): InputError {
  const [reason] = message.split("\n") as [string];
  return new InputError(`${where} is not valid YAML: ${reason.replace(/[.:]?$/, ".")}`);
}

/** Asked before the library builds anything, since deep nesting can end the process there. */
export function checkYamlDepth(text: string, where: string): void {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme));
    if (parser.stack.length > maxDepth) throw tooDeep(where);
  }
}

/** @throws InputError if a value nests too deep, or holds itself. */
export function checkDepth(value: unknown, where: string): void {
  const left: [value: unknown, depth: number][] = [[value, 0]];
  for (let next = left.pop(); next; next = left.pop()) {
    const [node, depth] = next;
    if (typeof node !== "object" || node === null) continue;
    if (depth === maxDepth) throw tooDeep(where);
    for (const child of Object.values(node)) left.push([child, depth + 1]);
  }
}

function tooDeep(where: string): InputError {
  return new InputError(`${where} nests more than ${maxDepth} levels deep; write it flatter.`);
}
