/** @file Filters: what counts as the answer in a generated text. */

import type { Filter } from "./task.ts";

/**
 * The answer that a filter finds in a generated text.
 *
 * @throws InputError if a regular expression does not compile.
 */
export function applyFilter(_filter: Filter, _text: string): string {
  throw new Error("to be written");
}
