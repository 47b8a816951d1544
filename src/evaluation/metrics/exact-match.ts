/** @file Whether an answer is the target, as the harness compares texts; of choices, whether the correct one is written. */

import { z } from "zod";
import { removeAll } from "../../core/python/regexp.ts";
import { asciiPunctuation } from "../../core/python/text.ts";
import { mean } from "./aggregations.ts";
import type { Metric } from "./metric.ts";

export interface ExactMatchSettings {
  readonly ignore_case?: boolean | undefined;
  readonly ignore_punctuation?: boolean | undefined;
  /** Regular expressions of Python, removed from answer and target in this order. */
  readonly regexes_to_ignore?: readonly string[] | undefined;
}

export const exactMatch: Metric<ExactMatchSettings> = {
  aggregation: mean,
  higherIsBetter: true,
  settings: {
    ignore_case: z.boolean().optional(),
    ignore_punctuation: z.boolean().optional(),
    regexes_to_ignore: z.array(z.string()).optional(),
  },
  patterns: ({ regexes_to_ignore = [] }) => regexes_to_ignore,
  score: {
    multiple_choice: ({ results, gold }) => Number(results[gold]!.isGreedy),
    generate_until: ({ answer, target }, settings) =>
      Number(comparable(answer, settings) === comparable(target, settings)),
  },
};

/** What is compared of an answer or its target. */
function comparable(text: string, settings: ExactMatchSettings): string {
  let rest = text;
  for (const pattern of settings.regexes_to_ignore ?? []) rest = removeAll(pattern, rest);
  if (settings.ignore_case) rest = rest.toLowerCase();
  if (settings.ignore_punctuation) rest = rest.replace(asciiPunctuation, "");
  // NumPy, with which the harness compares, drops them.
  return rest.replace(/\0+$/, "");
}
