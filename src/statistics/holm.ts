/** @file p-values of several tests, adjusted so that their number is allowed for. */

/**
 * Holm's step-down adjustment (Holm 1979): the i-th smallest of m p-values times m - i + 1, at least the one before,
 * at most 1. Calling a difference shown where the adjusted value is at most α is wrong in any of the m tests with
 * probability at most α, however the tests depend on one another.
 *
 * @returns the adjusted values in the order of `pValues`
 * @throws RangeError if one is not between 0 and 1
 */
export function holm(pValues: readonly number[]): number[] {
  const bad = pValues.find((p) => !(p >= 0 && p <= 1));
  if (bad !== undefined) throw new RangeError(`${bad} is no p-value.`);
  const adjusted = new Array<number>(pValues.length);
  const ascending = [...pValues.keys()].sort((a, b) => pValues[a]! - pValues[b]!);
  let largest = 0;
  for (const [rank, index] of ascending.entries()) {
    largest = Math.max(largest, Math.min(1, pValues[index]! * (pValues.length - rank)));
    adjusted[index] = largest;
  }
  return adjusted;
}
