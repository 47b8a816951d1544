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
  const start = stripStart(text);
  let end = start.length;
  while (end > 0 && single.test(start[end - 1]!)) end--;
  return start.slice(0, end);
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
 * The letters with a title case of their own, which is not their upper case: ligatures of Latin letters (dž), and Greek
 * letters with iota subscript. Of other characters that become several, the first is upper and the rest lower case.
 */
const titleCase: ReadonlyMap<string, string> = new Map([
  ...["Ǆǅǆ", "Ǉǈǉ", "Ǌǋǌ", "Ǳǲǳ"].flatMap((forms) => [...forms].map((form) => [form, forms[1]!] as const)),
  ...greekWithIota(),
  // Georgian letters are their own title case.
  ...charactersBetween(0x10d0, 0x10fa),
  ...charactersBetween(0x10fd, 0x10ff),
]);

function* charactersBetween(first: number, last: number): Generator<readonly [string, string]> {
  for (let code = first; code <= last; code++) {
    const character = String.fromCharCode(code);
    yield [character, character];
  }
}

function* greekWithIota(): Generator<readonly [string, string]> {
  // Rows of eight small letters and eight capitals with a written iota: the capital is the title case.
  for (const row of [0x1f80, 0x1f90, 0x1fa0]) {
    for (let i = 0; i < 8; i++) {
      const capital = String.fromCharCode(row + 8 + i);
      yield [String.fromCharCode(row + i), capital];
      yield [capital, capital];
    }
  }
  for (const [small, capital] of [
    [0x1fb3, 0x1fbc],
    [0x1fc3, 0x1fcc],
    [0x1ff3, 0x1ffc],
  ] as const) {
    yield [String.fromCharCode(small), String.fromCharCode(capital)];
    yield [String.fromCharCode(capital), String.fromCharCode(capital)];
  }
  // Those without a composed capital: the capital, its accent and a combining iota.
  for (const small of "ᾲᾴᾷῂῄῇῲῴῷ") {
    yield [
      small,
      small
        .normalize("NFD")
        .replace(/^./u, (letter) => letter.toUpperCase())
        .normalize("NFC"),
    ];
  }
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
