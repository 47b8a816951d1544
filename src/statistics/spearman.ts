/** @file Whether one quantity rises with another, whatever the shape of the relation. */

import { type BootstrapOptions, pairedBootstrap } from "./paired-bootstrap.ts";
import type { Estimate } from "./wilson.ts";

export interface SpearmanOptions extends BootstrapOptions {
  /** For each pair what it belongs to. Pairs of a group are not independent, and are drawn together. Default: none do. */
  readonly groups?: readonly unknown[];
}

/**
 * Spearman's rank correlation (Spearman 1904): Pearson's correlation of the ranks, where equal values have the mean of the
 * ranks that they take up. Its interval is that of the percentile bootstrap over the pairs, or groups of them (the cluster
 * bootstrap; Davison and Hinkley 1997, section 3.8); draws in which one side does not vary have no correlation and are left
 * out. With fewer than about 10 pairs it is rough, and with few that are all in
 * order it is 1 to 1, which is too sure.
 *
 * @returns from -1 to 1; undefined if there are fewer than 3 pairs, or all values of a side are equal: then there is no
 *   correlation
 * @throws RangeError unless all have the same number of values, and all are finite
 */
export function spearman(
  x: readonly number[],
  y: readonly number[],
  { groups = x.map((_, i) => i), ...options }: SpearmanOptions = {},
): Estimate | undefined {
  if (x.length !== y.length) throw new RangeError(`${x.length} and ${y.length} values are no pairs.`);
  if (groups.length !== x.length) throw new RangeError(`${groups.length} groups of ${x.length} pairs.`);
  if (![...x, ...y].every(Number.isFinite)) throw new RangeError("The values are not finite numbers.");
  if (x.length < 3) return undefined;
  const value = correlateRanks(x, y);
  if (Number.isNaN(value)) return undefined;
  const members = [...new Set(groups)].map((group) =>
    [...x.keys()].filter((place) => groups[place] === group),
  );
  const ofDraw = (drawn: Uint32Array) => {
    const places = Array.from(drawn, (group) => members[group]!).flat();
    return correlateRanks(
      places.map((place) => x[place]!),
      places.map((place) => y[place]!),
    );
  };
  return { value, ...pairedBootstrap(members.length, ofDraw, options) };
}

/** NaN if a side does not vary. */
function correlateRanks(x: readonly number[], y: readonly number[]): number {
  const [ranksX, ranksY] = [rank(x), rank(y)];
  const mean = (x.length + 1) / 2;
  let [xx, yy, xy] = [0, 0, 0];
  for (const [i, rankX] of ranksX.entries()) {
    const [dx, dy] = [rankX - mean, ranksY[i]! - mean];
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return xy / Math.sqrt(xx * yy);
}

/** Ranks from 1 on. */
function rank(values: readonly number[]): number[] {
  const ascending = [...values.keys()].sort((a, b) => values[a]! - values[b]!);
  const ranks = new Array<number>(values.length);
  for (let start = 0; start < ascending.length; ) {
    let end = start + 1;
    while (end < ascending.length && values[ascending[end]!] === values[ascending[start]!]) end++;
    for (let place = start; place < end; place++) ranks[ascending[place]!] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
}
