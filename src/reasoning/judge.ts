/** @file What counts as an answer, and as the same answer. */

import { equalAnswers } from "../mathematics/equal-answers.ts";
import { extractAnswer } from "../mathematics/extract-answer.ts";

/** Finds answers in texts and compares them. */
export interface AnswerJudge {
  /** The answer that a text gives; undefined if it gives none. */
  extract(text: string): string | undefined;
  /** Whether two answers are the same. */
  equal(given: string, gold: string): boolean;
}

/** Judges answers to mathematical problems. */
export const mathematicalJudge: AnswerJudge = {
  extract: (text) => extractAnswer(text),
  equal: (given, gold) => equalAnswers(given, gold),
};
