/** @file Distributions of whole numbers from 0 on, as lists of their probabilities. */

/** That of the sum of independent numbers. */
export function sumOfIndependent(distributions: readonly (readonly number[])[]): number[] {
  let sum = [1];
  for (const distribution of distributions) {
    const next = new Array<number>(sum.length + distribution.length - 1).fill(0);
    for (const [i, p] of sum.entries()) for (const [j, q] of distribution.entries()) next[i + j]! += p * q;
    sum = next;
  }
  return sum;
}

/** That of a function of the number, whose values are from 0 to `size` - 1. */
export function mapDistribution(
  distribution: readonly number[],
  size: number,
  place: (value: number) => number,
): number[] {
  const mapped = new Array<number>(size).fill(0);
  for (const [value, p] of distribution.entries()) mapped[place(value)]! += p;
  return mapped;
}

/** Mean and standard deviation. */
export function describeDistribution(distribution: readonly number[]): { mean: number; deviation: number } {
  const mean = distribution.reduce((sum, p, value) => sum + p * value, 0);
  const variance = distribution.reduce((sum, p, value) => sum + p * (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(variance) };
}

/** The likeliest number, the smallest of equally likely ones. */
export function likeliest(distribution: readonly number[]): number {
  return distribution.indexOf(Math.max(...distribution));
}
