/** @file Python's operations on text that templates and the definitions of tasks use, where JavaScript's differ. */

/**
 * What Python's `str.isspace` accepts and `str.strip` removes, for a character class. Unlike JavaScript's whitespace
 * it holds the separators U+001C to U+001F and U+0085, but no byte order mark.
 */
export const whitespaceClass =
  "\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const spaces = new RegExp(`[${whitespaceClass}]+`);
const single = new RegExp(`^[${whitespaceClass}]$`);
const isSpace = (character: string) => single.test(character);

/** `str.strip(characters)`, by default of whitespace. */
export function strip(text: string, characters?: string): string {
  return stripEnd(stripStart(text, characters), characters);
}

/** `str.rstrip`. A regular expression would take the square of the length of a run of spaces within the text. */
export function stripEnd(text: string, characters?: string): string {
  const isStripped = membership(characters);
  let end = text.length;
  while (end > 0) {
    const character = Array.from(text.slice(Math.max(0, end - 2), end)).at(-1)!;
    if (!isStripped(character)) break;
    end -= character.length;
  }
  return text.slice(0, end);
}

/** `str.lstrip`. */
export function stripStart(text: string, characters?: string): string {
  const isStripped = membership(characters);
  let start = 0;
  while (start < text.length) {
    const character = String.fromCodePoint(text.codePointAt(start)!);
    if (!isStripped(character)) break;
    start += character.length;
  }
  return text.slice(start);
}

function membership(characters: string | undefined): (character: string) => boolean {
  if (characters === undefined) return isSpace;
  const set = new Set(characters);
  return (character) => set.has(character);
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
const titleForms: ReadonlyMap<string, string> = new Map([
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
  return (titleForms.get(first) ?? upper + others.join("").toLowerCase()) + lowerRest;
}

/** `str.title()`: each word of letters with case is capitalized. */
export function titleCase(text: string): string {
  return text.replace(/\p{Cased}+/gu, capitalize);
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

/** The line ends of `str.splitlines`, for a character class. */
const lineEndClass = "\\n-\\r\\x1c-\\x1e\\x85\\u2028\\u2029";
const lineEnd = new RegExp(`\\r\\n|[${lineEndClass}]`);

/** `str.splitlines()`. */
export function splitLines(text: string): string[] {
  const lines = text.split(lineEnd);
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

/** `repr(text)`: characters that do not print are escaped. */
export function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inside = text.replace(/[\\\p{C}\p{Z}']/gu, (character) => {
    if (character === " ") return character;
    if (character === "'") return mark === "'" ? "\\'" : "'";
    const code = character.codePointAt(0)!;
    const [letter, digits] = code > 0xffff ? ["U", 8] : code > 0xff ? ["u", 4] : ["x", 2];
    return shortEscapes[character] ?? `\\${letter}${code.toString(16).padStart(digits, "0")}`;
  });
  return mark + inside + mark;
}

const shortEscapes: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\\": "\\\\",
};

/** `string.punctuation`. */
export const asciiPunctuation = /[!-/:-@[-`{-~]/g;
