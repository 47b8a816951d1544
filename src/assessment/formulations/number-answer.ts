/** @file The number that a written answer gives. */

const words: Readonly<Record<string, number>> = {
  ...{ none: 0, never: 0, zero: 0, once: 1, one: 1, twice: 2, two: 2, three: 3, four: 4, five: 5, six: 6 },
  ...{ seven: 7, eight: 8, nine: 9 },
};

/**
 * The whole number in a text, in digits or as a word; a second one is passed over only where it says of how many, as in "3 out of 4" and
 * "3/4".
 *
 * @returns undefined if there is none, or it is not clear which one is meant
 */
export function parseNumberAnswer(text: string): number | undefined {
  const alone = text.toLowerCase().replace(/(\d+)\s*(?:\/|out of)\s*\d+/g, "$1");
  const numbers = (alone.match(/-?\d+(?:[.,]\d+)?|\p{L}+/gu) ?? []).flatMap((word) => {
    if (/\d/.test(word)) return [Number(word.replace(",", "."))];
    return Object.hasOwn(words, word) ? [words[word]!] : [];
  });
  const [first, ...others] = new Set(numbers);
  return first !== undefined && others.length === 0 && Number.isInteger(first) && first >= 0
    ? first
    : undefined;
}
