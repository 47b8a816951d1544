/** @file Arguments of filters, methods and macros, brought into the order of their parameters. */

import { isInteger, nameOf, print, type Value } from "./values.ts";
import type { Work } from "./work.ts";

export interface Arguments {
  readonly args: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

export const noArguments: Arguments = { args: [], named: new Map() };

/**
 * The arguments by their parameters, of which all that are not given are undefined.
 *
 * @param callee what is called, for errors
 * @throws Error if there are more than parameters, or one is named that there is not or that has a value already.
 */
export function bindArguments(
  callee: string,
  parameters: readonly string[],
  { args, named }: Arguments,
): (Value | undefined)[] {
  if (args.length > parameters.length) throw new Error(`it calls "${callee}" with ${args.length} arguments`);
  const bound: (Value | undefined)[] = parameters.map((_, i) => args[i]);
  for (const [name, value] of named) {
    const index = parameters.indexOf(name);
    if (index < 0 || bound[index] !== undefined) {
      throw new Error(`it gives "${callee}" the argument "${name}", which is not supported`);
    }
    bound[index] = value;
  }
  return bound;
}

/** A text, or by default another one. */
export function textArgument(value: Value | undefined, general: string): string {
  if (value === undefined) return general;
  if (typeof value === "string") return value;
  throw new Error(`it gives ${nameOf(value)} in place of a text`);
}

/** A small integer, or by default another one. */
export function integerArgument(value: Value | undefined, general: number): number {
  if (value === undefined) return general;
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  throw new Error(
    `it gives ${isInteger(value) ? "a very large integer" : nameOf(value)} in place of an integer`,
  );
}

/** The texts and positions that an attribute such as "function.name" or "parts.0" consists of. */
export function attributePath(attribute: Value, work: Work): (string | number)[] {
  if (typeof attribute === "number") return [attribute];
  const text = print(attribute, work);
  if (text.includes(",")) throw new Error("it sorts by several attributes, which is not supported");
  return work.list(text.split(".")).map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}
