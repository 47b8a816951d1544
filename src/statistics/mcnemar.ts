/** @file Whether two runs over the same items differ in how many they get right. */

/**
 * The two-sided p-value of McNemar's test (McNemar 1947) in its exact form: if neither run is better, each item on
 * which they disagree falls to either side like a fair coin, so it is twice the probability of at most min(b, c)
 * heads of b + c, and at most 1. Items on which the runs agree do not matter.
 *
 * @param fixed items that only the second run got right
 * @param broken items that only the first run got right
 * @returns 1 without any disagreement
 * @throws RangeError unless both are whole numbers of at least 0
 */
export function mcnemarExact(fixed: number, broken: number): number {
  for (const count of [fixed, broken]) {
    if (!Number.isSafeInteger(count) || count < 0) throw new RangeError(`${count} is no number of items.`);
  }
  return Math.min(1, 2 * fairCoinTail(Math.min(fixed, broken), fixed + broken));
}

/** The probability of at most `k` heads of `n` tosses of a fair coin, k ≤ n / 2, to 12 digits or so. */
export function fairCoinTail(k: number, n: number): number {
  // The probability of exactly k heads, C(n, k) / 2^n, halved as it grows, for C(n, k) alone would overflow.
  let term = 1;
  let halvings = n;
  for (let i = 1; i <= k; i++) {
    term *= (n - k + i) / i;
    for (; term > 1 && halvings > 0; halvings--) term /= 2;
  }
  term *= 2 ** -halvings;
  let sum = 0;
  for (let heads = k; term > 0 && heads >= 0; heads--) {
    sum += term;
    term *= heads / (n - heads + 1);
  }
  return sum;
}
