/** @file JSON that anybody may have written: what is damaged or nests too deep is refused in a sentence. */

import { InputError } from "../errors.ts";

/** Nothing that is read nests nearly as deep; more would exhaust the stack of whoever walks through it. */
export const maxDepth = 100;

/**
 * @param where names the text in errors
 * @param advice what to do if it is damaged
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

export function tooDeep(where: string): InputError {
  return new InputError(`${where} nests more than ${maxDepth} levels deep; write it flatter.`);
}
