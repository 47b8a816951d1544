/** @file How far two raters agree on an ordered scale, beyond what chance gives. */

/**
 * Cohen's kappa with quadratic weights (Cohen 1968): 1 − Σ w O / Σ w E with w = (i − j)² / (K − 1)², of which the number of levels K
 * cancels. So it is 1 − mean (a − b)² over the mean of (a − b)² if each level of one rater met each of the other.
 *
 * @returns at most 1, and 0 for chance; undefined if a rater gave one level only, or nothing was rated: then agreement beyond chance is not
 *   to be seen
 * @throws RangeError unless both raters have rated the same number of items, and all levels are finite
 */
export function quadraticKappa(a: readonly number[], b: readonly number[]): number | undefined {
  checkPairs(a, b);
  const [ofA, ofB] = [describe(a), describe(b)];
  if (!(ofA.variance > 0 && ofB.variance > 0)) return undefined;
  const observed = a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length;
  return 1 - observed / (ofA.variance + ofB.variance + (ofA.mean - ofB.mean) ** 2);
}

function describe(values: readonly number[]): { readonly mean: number; readonly variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length };
}

/** @throws RangeError unless these are pairs of finite numbers */
function checkPairs(a: readonly number[], b: readonly number[]): void {
  if (a.length !== b.length) throw new RangeError(`${a.length} and ${b.length} values are no pairs.`);
  if (![...a, ...b].every(Number.isFinite)) throw new RangeError("The values are not finite numbers.");
}
