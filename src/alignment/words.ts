/** @file The words of a text, without case and punctuation. */

const punctuation = /[\p{P}\p{S}]/gu;

/**
 * The words between white space, in lower case and without punctuation, as Brown et al. (2020, appendix C) compare texts:
 * "It's 3 + 4." has the words its, 3 and 4.
 */
export function wordsOf(text: string): string[] {
  return text
    .toLowerCase()
    .replace(punctuation, "")
    .split(/\s+/)
    .filter((word) => word !== "");
}
