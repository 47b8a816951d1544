/** @file Draws of means over items that several models have answered, each tuned with the same seeds. */

import { createRandom } from "../core/random.ts";
import { type BootstrapOptions, defaultResamples } from "./paired-bootstrap.ts";

/**
 * Draws the means of models over the same items and seeds, each model from the same draws, so that the difference of two
 * models' draws is that of the paired means. Items and seeds are drawn with replacement, independently of each other: the
 * pigeonhole bootstrap (Owen 2007, which errs to the wide side). Of the few seeds one less is drawn than there are, without which
 * their variance would come out too small (McCarthy and Snowden 1985); one seed is not drawn, so the draws then know of
 * the items alone.
 *
 * @param models for each model, for each seed, the values of the items
 * @param sizes of the items: the mean is Σ values / Σ sizes
 * @returns for each model its mean over the items and seeds of each draw
 * @throws RangeError unless there is an item and a seed, and all have the same
 */
export function crossedBootstrap(
  models: readonly (readonly Float64Array[])[],
  sizes: Float64Array,
  { resamples = defaultResamples, seed = 0 }: Pick<BootstrapOptions, "resamples" | "seed"> = {},
): Float64Array[] {
  const items = sizes.length;
  const seeds = models[0]?.length ?? 0;
  const isWhole = models.every(
    (runs) => runs.length === seeds && runs.every(({ length }) => length === items),
  );
  if (items === 0 || seeds === 0 || !isWhole)
    throw new RangeError("The models have no items and seeds in common.");
  const random = createRandom(seed);
  const means = models.map(() => new Float64Array(resamples));
  const timesOfItem = new Uint32Array(items);
  const timesOfSeed = new Uint32Array(seeds);
  for (let resample = 0; resample < resamples; resample++) {
    draw(timesOfItem, items);
    draw(timesOfSeed, Math.max(1, seeds - 1));
    const size = sumOf(sizes, timesOfItem) * Math.max(1, seeds - 1);
    for (const [model, runs] of models.entries()) {
      let sum = 0;
      for (const [place, times] of timesOfSeed.entries())
        if (times > 0) sum += times * sumOf(runs[place]!, timesOfItem);
      means[model]![resample] = sum / size;
    }
  }
  return means;

  function draw(times: Uint32Array, count: number): void {
    times.fill(0);
    for (let i = 0; i < count; i++) times[Math.floor(random.uniform() * times.length)]!++;
  }
}

function sumOf(values: Float64Array, times: Uint32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += times[i]! * values[i]!;
  return sum;
}

/**
 * The p-value of "it is not above zero" from a bootstrap's draws, doubled, so that it is at most 0.05 where the 95 % percentile
 * interval lies above zero (Davison and Hinkley 1997, chapter 5: the interval inverted). At least 2 / (draws + 1).
 */
export function pAboveZero(draws: Float64Array): number {
  return doubled(draws.filter((value) => !(value > 0)).length, draws.length);
}

/** That of "it is zero": twice the share of draws on the smaller side. */
export function pNotZero(draws: Float64Array): number {
  const below = draws.filter((value) => value <= 0).length;
  const above = draws.filter((value) => value >= 0).length;
  return doubled(Math.min(below, above), draws.length);
}

function doubled(contrary: number, draws: number): number {
  return Math.min(1, (2 * (1 + contrary)) / (draws + 1));
}
