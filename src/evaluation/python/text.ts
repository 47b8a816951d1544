/** @file Python's operations on text that the definitions of tasks use, where JavaScript's differ. */

/**
 * What Python's `str.isspace` accepts and `str.strip` removes, for a character class. Unlike JavaScript's whitespace
 * it holds the separators U+001C to U+001F and U+0085, but no byte order mark.
 */
export const whitespaceClass =
  "\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const leading = new RegExp(`^[${whitespaceClass}]+`);
const spaces = new RegExp(`[${whitespaceClass}]+`);
const single = new RegExp(`^[${whitespaceClass}]$`);

/** `str.strip()`. */
export function strip(text: string): string {
  return stripEnd(stripStart(text));
}

/** `str.rstrip()`. A regular expression would take the square of the length of a run of spaces within the text. */
export function stripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && single.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}

/** `str.lstrip()`. */
export function stripStart(text: string): string {
  return text.replace(leading, "");
}

/** Whether a text ends with a character that `str.isspace` accepts. */
export function endsWithSpace(text: string): boolean {
  return single.test(text.slice(-1));
}

/** Whether a text starts with a character that `str.isspace` accepts. */
export function startsWithSpace(text: string): boolean {
  return single.test(text.slice(0, 1));
}

/**
 * The letters whose title case is neither their upper case, nor its first letter with the others in lower case. Each
 * pair is a letter and its title case.
 */
const titleCase: ReadonlyMap<string, string> = new Map([
  ...["Ǆǅǆ", "Ǉǈǉ", "Ǌǋǌ", "Ǳǲǳ"].flatMap((forms) => [...forms].map((form) => [form, forms[1]!] as const)),
  ["ŉ", "ʼN"],
  // Greek letters with an iota have it below in their title case.
  ...pairs(0x1f80, 0x1f88, 8),
  ...pairs(0x1f90, 0x1f98, 8),
  ...pairs(0x1fa0, 0x1fa8, 8),
  ...pairs(0x1fb3, 0x1fbc, 1),
  ...pairs(0x1fc3, 0x1fcc, 1),
  ...pairs(0x1ff3, 0x1ffc, 1),
  ["\u1fb2", "\u1fba\u0345"],
  ["\u1fb4", "\u0386\u0345"],
  ["\u1fb7", "\u0391\u0342\u0345"],
  ["\u1fc2", "\u1fca\u0345"],
  ["\u1fc4", "\u0389\u0345"],
  ["\u1fc7", "\u0397\u0342\u0345"],
  ["\u1ff2", "\u1ffa\u0345"],
  ["\u1ff4", "\u038f\u0345"],
  ["\u1ff7", "\u03a9\u0342\u0345"],
  // Georgian letters are their own.
  ...pairs(0x10d0, 0x10d0, 43),
  ...pairs(0x10fd, 0x10fd, 3),
]);

/** Small letters in a row and the capitals in another, each with the capital as title case. */
function pairs(small: number, capital: number, count: number): [string, string][] {
  return Array.from({ length: count }, (_, i) => String.fromCharCode(capital + i)).flatMap(
    (letter, i): [string, string][] => [
      [String.fromCharCode(small + i), letter],
      [letter, letter],
    ],
  );
}

/** `str.capitalize()`: the first character in title case, the others in lower case. */
export function capitalize(text: string): string {
  const [first = ""] = text;
  const rest = text.slice(first.length);
  // A final sigma is one that follows a letter, which may be the first character.
  const lowerRest = (first + rest).toLowerCase().slice(first.toLowerCase().length);
  const [upper = "", ...others] = first.toUpperCase();
  return (titleCase.get(first) ?? upper + others.join("").toLowerCase()) + lowerRest;
}

/** `len(re.split(r"\\s+", text))`: whitespace at an end counts one word more. */
export function countWords(text: string): number {
  return text.split(spaces).length;
}

/** `len(text)`. */
export function countCodePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** `string.punctuation`. */
export const asciiPunctuation = /[!-/:-@[-`{-~]/g;
