/** @file What a text may go on with, looked up in the text itself. */

/**
 * Tokens that may come next: those that followed the longest end of a text where it stood last. The longer that end is, the more
 * of them are likely to come again, so there are as many at most as it has tokens. As in Saxena 2023, "Prompt Lookup Decoding".
 *
 * @param most tokens
 * @example
 * lookUp([5, 6, 7, 8, 9, 5, 6], 4); // [7, 8]
 */
export function lookUp(ids: readonly number[], most: number): readonly number[] {
  let longest = 0;
  let end = 0;
  for (let other = ids.length - 1; other > longest && longest < most; other--) {
    let length = 0;
    while (length < most && length < other && ids[other - 1 - length] === ids[ids.length - 1 - length])
      length++;
    if (length > longest) [longest, end] = [length, other];
  }
  const text = [...ids];
  for (let i = 0; i < longest; i++) text.push(text[end + i]!);
  return text.slice(ids.length);
}
