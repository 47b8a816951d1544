/** @file How small a difference the items could have shown. */

import { normalQuantile } from "./normal-quantile.ts";

/** Chance that a difference of the given size would be shown. */
const power = 0.8;
/** Chance that one is shown where there is none, both sides together. */
const alpha = 0.05;

/** How many standard errors a difference must measure: z(1 - α/2) + z(power), 2.80. */
const standardErrors = normalQuantile(1 - alpha / 2) + normalQuantile(power);

/**
 * The smallest true difference of two shares over the same `n` items that a test at α = 0.05 would have shown with
 * 80 % power, if the runs disagree on `discordant` items as observed: (z(0.975) + z(0.8)) √(p_d / n) with
 * p_d = discordant / n (Connor 1987 without the correction for the difference itself, which is small where p_d is
 * not). The normal approximation is rough below some 10 discordant items.
 *
 * @returns a difference of shares, between 0 and 1; undefined without a discordant item, which tells nothing of the noise
 * @throws RangeError unless 0 ≤ discordant ≤ n, and n is at least 1
 */
export function detectableShareDifference(discordant: number, n: number): number | undefined {
  if (!(n >= 1 && discordant >= 0 && discordant <= n)) {
    throw new RangeError(`${discordant} of ${n} is no share.`);
  }
  if (discordant === 0) return undefined;
  return Math.min(1, (standardErrors * Math.sqrt(discordant)) / n);
}

/**
 * The smallest true mean of paired differences that a test at α = 0.05 would have shown with 80 % power:
 * (z(0.975) + z(0.8)) s / √n, where s is the standard deviation (n - 1) of `differences`.
 *
 * @returns in the unit of the differences; undefined for fewer than 2 or if they do not vary
 */
export function detectableMeanDifference(differences: readonly number[]): number | undefined {
  const n = differences.length;
  const mean = differences.reduce((sum, value) => sum + value, 0) / n;
  const squares = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return n < 2 || squares === 0 ? undefined : standardErrors * Math.sqrt(squares / (n - 1) / n);
}
