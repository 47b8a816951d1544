/** @file Points of a curve: those that can be told apart on the screen, and what they show in words. */

import { formatNumber } from "../../reporting/format.ts";

/** Points in the order of x; y is null where there is no value. */
export interface Points {
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
}

/** Index of the first x that is not below `value`. */
function findIndex(x: readonly number[], value: number): number {
  let [low, high] = [0, x.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The points between `from` and `to`, and one on either side. If there are more than two for each of `buckets` parts of that range, only the
 * lowest and the highest of each part, so that no peak is lost. Parts begin at multiples of their width: what is panned does not flicker.
 */
export function decimate({ x, y }: Points, from: number, to: number, buckets: number): Points {
  const first = Math.max(0, findIndex(x, from) - 1);
  const end = Math.min(x.length, findIndex(x, to) + 1);
  if (end - first <= 2 * buckets) return { x: x.slice(first, end), y: y.slice(first, end) };

  const width = (to - from) / buckets;
  const kept: { x: number[]; y: number[] } = { x: [], y: [] };
  const keep = (index: number) => {
    kept.x.push(x[index]!);
    kept.y.push(y[index]!);
  };
  for (let index = first; index < end; ) {
    const bucket = Math.floor(x[index]! / width);
    let [lowest, highest] = [-1, -1];
    for (; index < end && Math.floor(x[index]! / width) === bucket; index++) {
      const value = y[index]!;
      if (value === null) continue;
      if (lowest < 0 || value < y[lowest]!) lowest = index;
      if (highest < 0 || value > y[highest]!) highest = index;
    }
    if (lowest < 0) continue;
    keep(Math.min(lowest, highest));
    if (lowest !== highest) keep(Math.max(lowest, highest));
  }
  return kept;
}

/** The first and the last x of all curves; undefined if they have no points. */
export function extentOf(curves: readonly Points[]): { min: number; max: number } | undefined {
  const ends = curves.flatMap(({ x }) => (x.length > 0 ? [x[0]!, x.at(-1)!] : []));
  if (ends.length === 0) return undefined;
  const [min, max] = [Math.min(...ends), Math.max(...ends)];
  return min === max ? { min: min - 1, max: max + 1 } : { min, max };
}

/** The part of `extent` that is seen after a step of `share` of it to the right, or closer by `zoom` (above 1) around `centre`. */
export function moveView(
  view: { readonly min: number; readonly max: number },
  extent: { readonly min: number; readonly max: number },
  { share = 0, zoom = 1, centre = (view.min + view.max) / 2 },
): { min: number; max: number } {
  const width = Math.min((view.max - view.min) / zoom, extent.max - extent.min);
  const left = centre - (centre - view.min) * (width / (view.max - view.min)) + share * width;
  const min = Math.min(Math.max(left, extent.min), extent.max - width);
  return { min, max: min + width };
}

/** The mean of the values around each point, over a share of all points on either side: the course of a noisy curve. */
export function smooth({ x, y }: Points, share = 0.01): Points {
  const reach = Math.max(1, Math.round(share * x.length));
  let [sum, count, low, high] = [0, 0, 0, 0];
  const add = (value: number | null, sign: 1 | -1) => {
    if (value === null) return;
    sum += sign * value;
    count += sign;
  };
  const means = y.map((_, index) => {
    for (; high < Math.min(y.length, index + reach + 1); high++) add(y[high]!, 1);
    for (; low < index - reach; low++) add(y[low]!, -1);
    return count > 0 ? sum / count : null;
  });
  return { x, y: means };
}

/** A curve in words, for whoever does not see it. */
export function describeCurve(label: string, { x, y }: Points): string {
  const known = y.flatMap((value, index) => (value === null ? [] : [index]));
  if (known.length === 0) return `${label}: no values yet.`;
  const at = (index: number) => `${formatNumber(y[index]!)} at step ${x[index]}`;
  const [first, last] = [known[0]!, known.at(-1)!];
  if (first === last) return `${label}: ${at(first)}.`;
  const lowest = known.reduce((best, index) => (y[index]! < y[best]! ? index : best));
  return `${label}: from ${at(first)} to ${at(last)}, lowest ${at(lowest)}.`;
}
