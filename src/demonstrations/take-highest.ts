/** @file The candidates with the highest scores. */

/**
 * @param scores of the whole pool, by number
 * @returns `k` of the candidates, the highest first; of equal ones the first in the pool
 */
export function takeHighest(
  candidates: readonly number[],
  scores: ArrayLike<number>,
  k: number,
): readonly number[] {
  return [...candidates].sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, k);
}
