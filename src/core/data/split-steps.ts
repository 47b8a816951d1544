/** @file Texts in steps. */

import { defaultStepSeparator } from "./tokenize-steps.ts";

/** A step of a text. */
export interface TextStep {
  /** Without blanks around it, and without what ends it. */
  readonly text: string;
  /** Where the text goes on behind it, in UTF-16 units. */
  readonly end: number;
}

/**
 * The steps of a solution: what stands between separators and is not blank.
 *
 * @param separator default: a line feed
 *
 * @example
 * console.log(splitSteps("3 + 4 = 7\n\n#### 7")); // [ { text: '3 + 4 = 7', end: 10 }, { text: '#### 7', end: 17 } ]
 */
export function splitSteps(text: string, separator = defaultStepSeparator): TextStep[] {
  let end = 0;
  return text.split(separator).flatMap((part) => {
    end = Math.min(text.length, end + part.length + separator.length);
    const step = part.trim();
    return step === "" ? [] : [{ text: step, end }];
  });
}
