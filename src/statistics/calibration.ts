/** @file Whether scores mean what they say as probabilities. */

/** Scores that are alike. */
export interface ReliabilityBin {
  /** The scores that belong to it: above `low` and up to `high`; the first holds 0 too. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Mean score and mean outcome; NaN of none. */
  readonly score: number;
  readonly outcome: number;
}

export interface Calibration {
  /** Of equal width, from 0 to 1. */
  readonly bins: readonly ReliabilityBin[];
  /** Mean over all scores of how far the mean outcome of their bin is from its mean score; 0 is best. */
  readonly expectedError: number;
  /** Mean squared difference of score and outcome (Brier 1950); 0 is best. */
  readonly brier: number;
}

/**
 * The reliability table and the expected calibration error of scores from 0 to 1 (Guo et al. 2017, section 2).
 *
 * @param outcomes from 0 to 1: what happened, or how often
 * @param bins default 10
 * @throws RangeError unless there are as many outcomes as scores, at least one, and all are from 0 to 1
 */
export function calibrate(scores: readonly number[], outcomes: readonly number[], bins = 10): Calibration {
  if (scores.length !== outcomes.length || scores.length === 0)
    throw new RangeError(`${scores.length} scores and ${outcomes.length} outcomes.`);
  if (![...scores, ...outcomes].every((value) => value >= 0 && value <= 1))
    throw new RangeError("A score or an outcome is not from 0 to 1.");
  const sums = Array.from({ length: bins }, () => ({ count: 0, score: 0, outcome: 0 }));
  let brier = 0;
  for (const [i, score] of scores.entries()) {
    const outcome = outcomes[i]!;
    const bin = sums.find((_, index) => score <= (index + 1) / bins)!;
    bin.count++;
    bin.score += score;
    bin.outcome += outcome;
    brier += (score - outcome) ** 2 / scores.length;
  }
  return {
    bins: sums.map(({ count, score, outcome }, i) => ({
      low: i / bins,
      high: (i + 1) / bins,
      count,
      score: score / count,
      outcome: outcome / count,
    })),
    expectedError:
      sums.reduce((total, { score, outcome }) => total + Math.abs(score - outcome), 0) / scores.length,
    brier,
  };
}
