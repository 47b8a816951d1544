/** @file How well classes are told apart, each counting alike however rare it is. */

/**
 * The mean over classes of F1 = 2 TP / (2 TP + FP + FN). The classes are all that stand on either side, as scikit-learn has it.
 *
 * @param given undefined where no class was given, which is wrong for every class
 * @param counts how often each pair of classes stands. Default: once
 * @returns from 0 to 1; undefined if there are no items
 * @throws RangeError unless both sides have the same number of items
 */
export function macroF1(
  right: readonly number[],
  given: readonly (number | undefined)[],
  counts: ArrayLike<number> = right.map(() => 1),
): number | undefined {
  if (right.length !== given.length || counts.length !== right.length)
    throw new RangeError(
      `${right.length} and ${given.length} values with ${counts.length} counts are no pairs.`,
    );
  const hits = new Map<number, number>();
  const places = new Map<number, number>();
  const add = (sums: Map<number, number>, key: number, count: number) =>
    sums.set(key, (sums.get(key) ?? 0) + count);
  for (const [i, value] of right.entries()) {
    const [guess, count] = [given[i], counts[i]!];
    if (count === 0) continue;
    add(places, value, count);
    if (guess !== undefined) add(places, guess, count);
    if (guess === value) add(hits, value, count);
  }
  if (places.size === 0) return undefined;
  let sum = 0;
  // TP + FN right ones and TP + FP given ones are 2 TP + FP + FN.
  for (const [key, count] of places) sum += (2 * (hits.get(key) ?? 0)) / count;
  return sum / places.size;
}
