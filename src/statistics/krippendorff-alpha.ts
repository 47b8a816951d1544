/** @file How far any number of raters agree on an ordered scale, where some may have rated less than others. */

/**
 * Krippendorff's alpha for ordinal data (Krippendorff 2011, "Computing Krippendorff's alpha-reliability"): 1 − observed over expected
 * disagreement of pairs of ratings, whose distance is the square of how many ratings lie between them, with half of those at either end.
 * Items that fewer than two have rated count for nothing.
 *
 * @param items of each item the levels that raters gave it; undefined of a rater who gave none
 * @returns at most 1, and 0 for chance; undefined if no item has two ratings, or all ratings are equal
 */
export function krippendorffAlpha(items: readonly (readonly (number | undefined)[])[]): number | undefined {
  const rated = items
    .map((item) => item.filter((level) => level !== undefined))
    .filter(({ length }) => length > 1);
  const levels = [...new Set(rated.flat())].sort((a, b) => a - b);
  const places = new Map(levels.map((level, place) => [level, place]));
  const size = levels.length;
  const coincidences = new Float64Array(size * size);
  const totals = new Float64Array(size);
  for (const item of rated) {
    for (const [i, first] of item.entries()) {
      totals[places.get(first)!]!++;
      for (const [j, second] of item.entries())
        if (i !== j) coincidences[places.get(first)! * size + places.get(second)!]! += 1 / (item.length - 1);
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
