/** @file JSON and YAML that anybody may have written: what is damaged, too deep or made to fill the memory is refused in a sentence. */

import { Lexer, Parser, parse } from "yaml";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { checkDepth, maxDepth, parseJson, tooDeep } from "../../core/formats/json-document.ts";
import { parseFields } from "../../core/parse-fields.ts";
import { readText } from "./read.ts";

/** An object of any fields. */
export const anyFields = z.record(z.string(), z.unknown());

/**
 * Reads a JSON file and checks its fields.
 *
 * @param advice what to do if it is damaged
 * @throws InputError if there is none, or it is damaged or lacks a field.
 */
export function readJson<T extends z.ZodType>(path: string, schema: T, advice?: string): z.output<T> {
  return parseFields(schema, parseJson(readText(path), path, advice), path);
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
