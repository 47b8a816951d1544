/** @file The benchmarks of subjects: held-out questions, with choices where answers are not worked out. */

import type { Random } from "../core/random.ts";
import { drawTuningSet, type Subject } from "./tuning-set.ts";

/** One line of a benchmark. */
export type BenchmarkRow =
  | { readonly question: string; readonly answer: string }
  | {
      readonly question: string;
      readonly choices: readonly string[];
      /** Number of the correct choice, from 0. */
      readonly label: number;
    };

/** Choices of a question, where there are enough wrong ones. */
const CHOICES = 4;

/**
 * Draws `size` held-out questions of a subject: their wordings, and the numbers or things asked about, are in no tuning set.
 * Word problems are answered in writing, the others by choosing.
 *
 * @throws RangeError when the subject cannot supply so many different questions.
 */
export function drawBenchmark(subject: Subject, size: number, random: Random): BenchmarkRow[] {
  return drawTuningSet(subject, "held-out", size, random).map(({ question, answer, wrongAnswers }) => {
    if (wrongAnswers.length === 0) return { question, answer };
    const choices = drawDifferent(wrongAnswers, CHOICES - 1, random);
    const label = random.below(choices.length + 1);
    choices.splice(label, 0, answer);
    return { question, choices, label };
  });
}

/** At most `count` different elements of a table. */
function drawDifferent<T>(table: readonly T[], count: number, random: Random): T[] {
  const rest = [...new Set(table)];
  const drawn: T[] = [];
  while (drawn.length < count && rest.length > 0) drawn.push(...rest.splice(random.below(rest.length), 1));
  return drawn;
}
