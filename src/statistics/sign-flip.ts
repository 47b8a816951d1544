/** @file Whether paired measurements of any kind differ. */

import { createRandom } from "../core/random.ts";

export interface SignFlipOptions {
  /** Number of random assignments of signs. Default 10,000. */
  readonly flips?: number;
  /** Default 0. */
  readonly seed?: number;
}

/**
 * The two-sided p-value of the paired permutation test (Fisher 1935): if the runs do not differ, each item's
 * difference could as well have had the other sign. It is the share of random assignments of signs, the observed one
 * among them (Phipson and Smyth 2010), under which the sum is at least as far from 0 as observed; so at least
 * 1 / (flips + 1).
 *
 * @param differences of each item, second run less first
 * @throws RangeError unless there is a difference and all are finite, and flips is a whole number of at least 1
 */
export function signFlipTest(
  differences: readonly number[],
  { flips = 10_000, seed = 0 }: SignFlipOptions = {},
): number {
  if (differences.length === 0 || !differences.every(Number.isFinite)) {
    throw new RangeError("The differences are not finite numbers.");
  }
  if (!Number.isSafeInteger(flips) || flips < 1) throw new RangeError(`${flips} is no number of flips.`);
  const random = createRandom(seed);
  const observed = Math.abs(differences.reduce((sum, value) => sum + value, 0));
  // Sums that are equal but for rounding count as equal.
  const rounding =
    differences.reduce((sum, value) => sum + Math.abs(value), 0) * differences.length * 2 ** -53;
  let asFar = 1;
  for (let flip = 0; flip < flips; flip++) {
    let sum = 0;
    let bits = 0;
    for (const [i, value] of differences.entries()) {
      if (i % 32 === 0) bits = random.nextUint32();
      sum += bits & 1 ? value : -value;
      bits >>>= 1;
    }
    if (Math.abs(sum) >= observed - rounding) asFar++;
  }
  return asFar / (flips + 1);
}
