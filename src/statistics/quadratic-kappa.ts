/** @file How far two raters agree on an ordered scale, beyond what chance gives. */

/**
 * Cohen's kappa with quadratic weights (Cohen 1968): 1 − Σ w O / Σ w E with w = (i − j)² / (K − 1)², of which the number of levels K
 * cancels. So it is 1 − mean (a − b)² over the mean of (a − b)² if each level of one rater met each of the other.
 *
 * @param counts how often each pair of levels stands. Default: once
 * @returns at most 1, and 0 for chance; undefined if a rater gave one level only, or nothing was rated: then agreement beyond chance is not
 *   to be seen
 * @throws RangeError unless both raters have rated the same number of items, and all levels are finite
 */
export function quadraticKappa(
  a: readonly number[],
  b: readonly number[],
  counts: ArrayLike<number> = a.map(() => 1),
): number | undefined {
  checkPairs(a, b, counts);
  let [total, sumA, sumB, squareA, squareB, observed] = [0, 0, 0, 0, 0, 0];
  for (const [i, levelA] of a.entries()) {
    const [levelB, count] = [b[i]!, counts[i]!];
    total += count;
    sumA += count * levelA;
    sumB += count * levelB;
    squareA += count * levelA ** 2;
    squareB += count * levelB ** 2;
    observed += count * (levelA - levelB) ** 2;
  }
  if (isConstant(a, counts) || isConstant(b, counts)) return undefined;
  return 1 - (observed * total) / (total * (squareA + squareB) - 2 * sumA * sumB);
}

function isConstant(levels: readonly number[], counts: ArrayLike<number>): boolean {
  const met = levels.filter((_, i) => counts[i]! > 0);
  return met.every((level) => level === met[0]);
}

function checkPairs(a: readonly number[], b: readonly number[], counts: ArrayLike<number>): void {
  if (a.length !== b.length || counts.length !== a.length)
    throw new RangeError(`${a.length} and ${b.length} values with ${counts.length} counts are no pairs.`);
  if (![...a, ...b].every(Number.isFinite)) throw new RangeError("The values are not finite numbers.");
}
