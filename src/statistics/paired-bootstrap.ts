/** @file The interval of a statistic over items that were measured in pairs. */

import { createRandom } from "../core/random.ts";
import { quantile } from "./quantile.ts";
import type { Interval } from "./wilson.ts";

export interface BootstrapOptions {
  /** Number of draws of n items. Default 10,000. */
  readonly resamples?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Default 0.95. */
  readonly level?: number;
}

export const defaultResamples = 10_000;

/**
 * The interval of a difference between two runs over the same `n` items: the percentile bootstrap (Efron 1979; Efron
 * and Tibshirani 1993, chapter 13). Items are drawn with replacement, each with its values of both runs, so that what
 * makes an item easy or hard for both cancels out. The ends are quantiles of the statistic over the draws, linearly
 * interpolated.
 *
 * @param statistic of the drawn items, given by their places; a place may come several times. The list is reused. Draws of
 *   which it is NaN are left out.
 * @throws RangeError unless n and the number of resamples are whole numbers of at least 1 and 0 < level < 1
 */
export function pairedBootstrap(
  n: number,
  statistic: (drawn: Uint32Array) => number,
  { resamples = defaultResamples, seed = 0, level = 0.95 }: BootstrapOptions = {},
): Interval {
  for (const count of [n, resamples]) {
    if (!Number.isSafeInteger(count) || count < 1) throw new RangeError(`${count} is no number to draw.`);
  }
  if (!(level > 0 && level < 1)) throw new RangeError(`${level} is no confidence between 0 and 1.`);
  const random = createRandom(seed);
  const drawn = new Uint32Array(n);
  const values = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    // Several times as fast as random.below(n), and uneven by n / 2^32 only.
    for (let i = 0; i < n; i++) drawn[i] = random.uniform() * n;
    values[resample] = statistic(drawn);
  }
  return percentileInterval(values, level);
}

/** The middle part of a bootstrap's draws, of which NaN are left out. @param level default 0.95 */
export function percentileInterval(draws: Float64Array, level = 0.95): Interval {
  const ascending = draws.filter((value) => !Number.isNaN(value)).sort();
  return { low: quantile(ascending, (1 - level) / 2), high: quantile(ascending, (1 + level) / 2) };
}
