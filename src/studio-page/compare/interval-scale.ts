/** @file The axis of a picture of differences and their intervals: from values to places across the width. */

export interface IntervalScale {
  /** Values at which the axis is labelled, from left to right; zero is one of them. */
  readonly ticks: readonly number[];
  /** Decimals that tell two neighbouring ticks apart. */
  readonly digits: number;
  /** Where a value stands, in per cent of the width. */
  place(value: number): number;
}

interface Interval {
  readonly low: number;
  readonly high: number;
}

/** An axis for all intervals that has zero within it, with about `count` ticks; the ends are ticks. */
export function createIntervalScale(intervals: readonly Interval[], count = 6): IntervalScale {
  const low = Math.min(0, ...intervals.map((one) => one.low));
  const high = Math.max(0, ...intervals.map((one) => one.high));
  const step = roundStep((high - low || 1) / count);
  const first = Math.floor(low / step);
  const last = Math.max(Math.ceil(high / step), first + 1);
  return {
    ticks: Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step),
    digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)),
    place: (value) => ((value / step - first) / (last - first)) * 100,
  };
}

/** The next of 1, 2 and 5 times a power of ten. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= step * (1 - 1e-9))!;
}
