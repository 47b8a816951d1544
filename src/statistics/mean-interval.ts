/** @file The mean of a few values that vary by chance, such as one score with several seeds. */

import type { Estimate } from "./wilson.ts";

/** A mean with its 95 % interval, and how far single values lie from it. */
export interface Spread extends Estimate {
  /** Standard deviation (n - 1). */
  readonly deviation: number;
}

/**
 * The mean of values, with Student's 95 % interval (Student 1908): value ± t(0.975, n - 1) s / √n. It holds for values that are
 * about normal.
 *
 * @throws RangeError of fewer than 2 values, which tell nothing of their spread
 */
export function meanInterval(values: readonly number[]): Spread {
  const n = values.length;
  if (n < 2) throw new RangeError(`${n} values have no spread.`);
  const value = values.reduce((sum, one) => sum + one, 0) / n;
  const deviation = Math.sqrt(values.reduce((sum, one) => sum + (one - value) ** 2, 0) / (n - 1));
  const half = (studentQuantile(n - 1) * deviation) / Math.sqrt(n);
  return { value, low: value - half, high: value + half, deviation };
}

/** The t with P(|T| ≤ t) = 0.95 for Student's T of so many degrees of freedom, by bisection of its angle. */
function studentQuantile(freedom: number): number {
  let [low, high] = [0, Math.PI / 2];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (studentShare(middle, freedom) < 0.95) low = middle;
    else high = middle;
  }
  return Math.tan(low) * Math.sqrt(freedom);
}

/** P(|T| ≤ √freedom tan(angle)), the finite sums 26.7.3 and 26.7.4 of Abramowitz and Stegun 1964. */
function studentShare(angle: number, freedom: number): number {
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const isOdd = freedom % 2 === 1;
  let term = isOdd ? cosine : 1;
  let sum = 0;
  for (let power = isOdd ? 1 : 0; power <= freedom - 2; power += 2) {
    sum += term;
    term *= ((power + 1) / (power + 2)) * cosine ** 2;
  }
  return isOdd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
}
