/** @file Packing: several short examples in one row. */

/**
 * Puts examples into rows of at most `capacity` tokens by first-fit decreasing: the longest first, each into the
 * first row with room. An example above the capacity gets a row of its own.
 *
 * @param lengths tokens of each example, at least 1
 * @returns the rows, each a list of indices into `lengths`
 */
export function packExamples(lengths: readonly number[], capacity: number): number[][] {
  const order = [...lengths.keys()].sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const rows: { examples: number[]; free: number }[] = [];
  for (const example of order) {
    const length = lengths[example]!;
    let row = rows.find(({ free }) => free >= length);
    if (!row) {
      row = { examples: [], free: capacity };
      rows.push(row);
    }
    row.examples.push(example);
    row.free -= length;
  }
  return rows.map(({ examples }) => examples);
}
