/** @file Votes among answers, how certain they are, and when to stop asking for more. */

import { fairCoinTail } from "../statistics/mcnemar.ts";

/** An answer and how many gave it. */
export interface Vote {
  readonly answer: string;
  readonly count: number;
}

/**
 * Answers that are the same put together, most first and of equals the one given first. Texts without an answer do not vote.
 *
 * @param equal whether two answers are the same
 */
export function countVotes(
  answers: readonly (string | undefined)[],
  equal: (a: string, b: string) => boolean,
): Vote[] {
  const votes: { answer: string; count: number }[] = [];
  for (const answer of answers) {
    if (answer === undefined) continue;
    const same = votes.find((vote) => equal(answer, vote.answer));
    if (same) same.count++;
    else votes.push({ answer, count: 1 });
  }
  return votes.sort((a, b) => b.count - a.count);
}

/**
 * How certain n answers are: (ln n − H) / ln n, where H is the entropy of the shares of equal answers (Certaindex, Fu et al. 2024,
 * arXiv 2412.20993). 1 if all are equal, 0 if all differ, and of a single answer.
 *
 * @param counts how many gave each answer; those who gave none count as one each, since they agree with nobody
 */
export function certainty(counts: readonly number[]): number {
  const n = counts.reduce((sum, count) => sum + count, 0);
  if (n < 2) return 0;
  const entropy = counts.reduce((sum, count) => sum - (count / n) * Math.log(count / n), 0);
  return (Math.log(n) - entropy) / Math.log(n);
}

/**
 * How likely the answer with the most votes is to stay ahead of the second: 1 − I½(v1 + 1, v2 + 1), with the regularized
 * incomplete beta function I (Adaptive-Consistency, Aggarwal et al. 2023, arXiv 2305.11860, section 3, of two answers). For whole
 * numbers it is one less the probability of at most v2 heads of v1 + v2 + 1 tosses of a fair coin.
 *
 * @param first v1, at least v2
 */
export function leadProbability(first: number, second: number): number {
  return 1 - fairCoinTail(second, first + second + 1);
}
