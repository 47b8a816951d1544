/** @file How far any number of raters agree on an ordered scale, where some may have rated less than others. */

/**
 * Krippendorff's alpha for ordinal data (Krippendorff 2011, "Computing Krippendorff's alpha-reliability"): 1 − observed over expected
 * disagreement of pairs of ratings, whose distance is the square of how many ratings lie between them, with half of those at either end.
 * Items that fewer than two have rated count for nothing.
 *
 * @param items of each item the levels that raters gave it; undefined of a rater who gave none
 * @param counts how often each item stands. Default: once
 * @returns at most 1, and 0 for chance; undefined if no item has two ratings, or all ratings are equal
 */
export function krippendorffAlpha(
  items: readonly (readonly (number | undefined)[])[],
  counts: ArrayLike<number> = items.map(() => 1),
): number | undefined {
  const rated = items
    .map((item, i) => ({ levels: item.filter((level) => level !== undefined), times: counts[i]! }))
    .filter(({ levels }) => levels.length > 1);
  const levels = [...new Set(rated.flatMap(({ levels }) => levels))].sort((a, b) => a - b);
  const size = levels.length;
  const coincidences = new Float64Array(size * size);
  const totals = new Float64Array(size);
  for (const { levels: given, times } of rated) {
    const places = given.map((level) => levels.indexOf(level));
    for (const [i, first] of places.entries()) {
      totals[first]! += times;
      for (const [j, second] of places.entries())
        if (i !== j) coincidences[first * size + second]! += times / (places.length - 1);
    }
  }
  const count = totals.reduce((sum, total) => sum + total, 0);
  let [observed, expected] = [0, 0];
  for (let c = 0; c < size; c++) {
    let between = totals[c]! / 2;
    for (let k = c + 1; k < size; k++) {
      const distance = (between + totals[k]! / 2) ** 2;
      observed += coincidences[c * size + k]! * distance;
      expected += totals[c]! * totals[k]! * distance;
      between += totals[k]!;
    }
  }
  return expected === 0 ? undefined : 1 - ((count - 1) * observed) / expected;
}
