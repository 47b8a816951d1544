/** @file Estimates with their intervals put together. */

import type { Estimate } from "./wilson.ts";

/**
 * The mean of estimates from the same items, such as one score under several seeds. Its interval is the mean of the
 * intervals: right if all err alike, and too wide otherwise.
 */
export function averageOfSameItems(estimates: readonly Estimate[]): Estimate {
  return {
    value: mean(estimates.map(({ value }) => value)),
    low: mean(estimates.map(({ low }) => low)),
    high: mean(estimates.map(({ high }) => high)),
  };
}

/**
 * The mean of independent estimates, such as scores of different tasks. Its interval is recovered from theirs as by
 * Zou and Donner 2008 (for sums: Zou, Huang and Zhang 2009): the distances of their ends from their values add as squares.
 */
export function averageOfIndependent(estimates: readonly Estimate[]): Estimate {
  const value = mean(estimates.map((estimate) => estimate.value));
  const below = Math.hypot(...estimates.map((estimate) => estimate.value - estimate.low));
  const above = Math.hypot(...estimates.map((estimate) => estimate.high - estimate.value));
  return { value, low: value - below / estimates.length, high: value + above / estimates.length };
}

/**
 * The difference a − b of independent estimates, with its interval from theirs (Zou and Donner 2008; for
 * shares with Wilson's intervals that is method 10 of Newcombe 1998). Of estimates that rise and fall together it is too
 * wide.
 */
export function differenceOf(a: Estimate, b: Estimate): Estimate {
  const value = a.value - b.value;
  return {
    value,
    low: value - Math.hypot(a.value - a.low, b.high - b.value),
    high: value + Math.hypot(a.high - a.value, b.value - b.low),
  };
}

/** Whether the interval does not hold zero. */
export function excludesZero({ low, high }: Estimate): boolean {
  return low > 0 || high < 0;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
