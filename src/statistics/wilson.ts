/** @file The interval of a share, such as an accuracy. */

import { normalQuantile } from "./normal-quantile.ts";

/** Where a number may lie, both ends included. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** A number with its 95 % interval. */
export interface Estimate extends Interval {
  readonly value: number;
}

/**
 * The interval in which the share behind `successes` of `n` independent items lies with confidence `level`: Wilson's
 * score interval (Wilson 1927), (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n), without correction for continuity.
 * It stays within 0 and 1 and is of use for few items and for shares near 0 or 1.
 *
 * @returns shares between 0 and 1
 * @throws RangeError unless n is a whole number of at least 1, 0 ≤ successes ≤ n, and 0 < level < 1
 */
export function wilsonInterval(successes: number, n: number, level = 0.95): Interval {
  if (!(Number.isSafeInteger(n) && n >= 1 && successes >= 0 && successes <= n)) {
    throw new RangeError(`${successes} of ${n} is no share.`);
  }
  if (!(level > 0 && level < 1)) throw new RangeError(`${level} is no confidence between 0 and 1.`);
  const z = normalQuantile((1 + level) / 2);
  const share = successes / n;
  const scale = 1 + z ** 2 / n;
  const centre = (share + z ** 2 / (2 * n)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / n + z ** 2 / (4 * n ** 2));
  // Without success or failure one end is exactly 0 or 1, which rounding misses.
  return {
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === n ? 1 : Math.min(1, centre + half),
  };
}
