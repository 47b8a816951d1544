/** @file Whether a solution's answer is right. */

import { equalAnswers } from "./equal-answers.ts";
import type { EqualityOptions } from "./equal-values.ts";
import { type ExtractionOptions, extractAnswer } from "./extract-answer.ts";

/**
 * Whether the answer that a solution gives (`extractAnswer`) is the gold one (`equalAnswers`).
 *
 * @param gold the answer alone, such as what stands behind GSM8K's `####`
 * @example
 * const { judge } = await import("slimtune");
 * console.log(judge("She has 16 - 3 - 4 = 9 eggs and earns $18.00 a day.", "18")); // true
 */
export function judge(
  text: string,
  gold: string,
  options: ExtractionOptions & EqualityOptions = {},
): boolean {
  const answer = extractAnswer(text, options);
  return answer !== undefined && equalAnswers(answer, gold, options);
}
