/** @file Filters: what counts as the answer in a generated text. */

import { findAll } from "../core/python/regexp.ts";
import { strip } from "../core/python/text.ts";
import type { Filter, FilterStep } from "./task.ts";

/**
 * The answer that a filter finds in a generated text, as the harness's filters of the same names do.
 *
 * @throws InputError if a regular expression does not compile.
 */
export function applyFilter({ filter }: Filter, text: string): string {
  return filter.reduce((answer, step) => applyStep(step, answer), text);
}

function applyStep(step: FilterStep, text: string): string {
  switch (step.function) {
    case "regex": {
      const { regex_pattern, group_select = 0, fallback = "[invalid]" } = step;
      const matches = findAll(regex_pattern, text);
      const match = matches.at(group_select);
      // Of several groups the first that is not empty is taken, but a single group even if it is.
      const found = match && match.length > 1 ? match.find((group) => group !== "") : match?.[0];
      return match ? strip(found ?? fallback) : fallback;
    }
    case "take_first":
      // Each item is answered once.
      return text;
    case "remove_whitespace":
      return strip(text);
    case "lowercase":
      return text.toLowerCase();
  }
}
