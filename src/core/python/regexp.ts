/** @file Python's regular expressions, in which tasks and adapters name what they mean, as JavaScript's. */

import { InputError } from "../errors.ts";
import { withinPatience } from "./patience.ts";
import { whitespaceClass } from "./text.ts";

const wordClass = "\\p{L}\\p{N}_";
const end = "(?![\\s\\S])";

/** Escapes of Python that JavaScript lacks or reads otherwise; those with a class form may stand inside of brackets. */
const escapes: Readonly<Record<string, { readonly pattern?: string; readonly inClass?: string }>> = {
  d: { pattern: "\\p{Nd}", inClass: "\\p{Nd}" },
  D: { pattern: "\\P{Nd}", inClass: "\\P{Nd}" },
  s: { pattern: `[${whitespaceClass}]`, inClass: whitespaceClass },
  S: { pattern: `[^${whitespaceClass}]` },
  w: { pattern: `[${wordClass}]`, inClass: wordClass },
  W: { pattern: `[^${wordClass}]` },
  b: {
    pattern: `(?:(?<=[${wordClass}])(?![${wordClass}])|(?<![${wordClass}])(?=[${wordClass}]))`,
    inClass: "\\x08",
  },
  B: { pattern: `(?:(?<=[${wordClass}])(?=[${wordClass}])|(?<![${wordClass}])(?![${wordClass}]))` },
  A: { pattern: "(?<![\\s\\S])" },
  Z: { pattern: end },
  a: { pattern: "\\x07", inClass: "\\x07" },
};

/** The escape of a character by its number, or of another character. */
const escapeForm = String.raw`\\(?:x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|0[0-7]{0,2}|[1-9]\d?|[\s\S])`;

/** Parts of a pattern: an escape, a character class, a comment, what opens a group, a repetition, a character. */
const part = new RegExp(
  String.raw`${escapeForm}|\[\^?\]?(?:\\[\s\S]|[^\]\\])*\]|\(\?#[^)]*\)|\(\?P=\w+\)|\(\?P<\w+>|\(\?<?[=!]|\(\?:|\(\?|(?:\{(?:\d+,?\d*|,\d*)\}|[*+?])[+?]?|[\s\S]`,
  "gu",
);
const classPart = new RegExp(`${escapeForm}|[\\s\\S]`, "gu");

/**
 * The matches of a pattern as Python's `re.findall` gives them, one after the other: of each its groups, "" for those
 * that take no part in it, or the whole match if the pattern has no groups.
 *
 * @throws InputError as `compilePythonRegExp` does, or if it takes too long.
 */
export function findAll(pattern: string, text: string): string[][] {
  const regExp = compilePythonRegExp(pattern);
  return search(pattern, () =>
    Array.from(text.matchAll(regExp), ([match, ...groups]) =>
      groups.length > 0 ? groups.map((group) => group ?? "") : [match],
    ),
  );
}

/**
 * A text without a pattern's matches: `re.sub(pattern, "", text)`.
 *
 * @throws InputError as `findAll` does.
 */
export function removeAll(pattern: string, text: string): string {
  const regExp = compilePythonRegExp(pattern);
  return search(pattern, () => text.replace(regExp, ""));
}

/**
 * The texts of which all is a pattern's match: `re.fullmatch(pattern, text)`.
 *
 * @throws InputError as `findAll` does.
 */
export function selectFullMatches(pattern: string, texts: readonly string[]): string[] {
  const { source, flags } = compilePythonRegExp(pattern);
  const whole = new RegExp(`^(?:${source})${end}`, flags.replace("g", ""));
  return search(pattern, () => texts.filter((text) => whole.test(text)));
}

function search<T>(pattern: string, run: () => T): T {
  const shown = JSON.stringify(pattern);
  try {
    return withinPatience(
      `The regular expression ${shown} takes more than 2 seconds on one text; write it without a repetition within a repetition.`,
      run,
    );
  } catch (error) {
    if (error instanceof InputError) throw error;
    // JavaScript compiles it when it is first used.
    throw new InputError(`The regular expression ${shown} is too large: ${reasonOf(error)}.`);
  }
}

const compiled = new Map<string, RegExp>();

/**
 * A regular expression as Python's `re` reads it, global and over code points: "." stands for all but "\n", "$" also
 * matches before a final line break, \d, \s, \w and \b are those of Unicode. The flags (?i), (?m) and (?s) may open
 * it. What is read does not depend on the version of JavaScript.
 *
 * @throws InputError if it does not compile, or uses what JavaScript has no form of.
 */
export function compilePythonRegExp(pattern: string): RegExp {
  let regExp = compiled.get(pattern);
  if (!regExp) {
    try {
      regExp = translate(pattern);
    } catch (error) {
      throw new InputError(
        `The regular expression ${JSON.stringify(pattern)} does not compile: ${reasonOf(error)}.`,
      );
    }
    compiled.set(pattern, regExp);
  }
  return regExp;
}

function reasonOf(error: unknown): string {
  if (error instanceof RangeError) return "it is nested too deeply";
  return (error as Error).message.replace(/^Invalid regular expression: \/.*\/\w*: /s, "");
}

function translate(pattern: string): RegExp {
  const [opening = "", flags = ""] = /^\(\?([aimsu]+)\)/.exec(pattern) ?? [];
  if (flags.includes("a")) throw new Error("the flag (?a) is not supported");
  const characters: Readonly<Record<string, string>> = {
    ".": flags.includes("s") ? "[\\s\\S]" : "[^\\n]",
    $: flags.includes("m") ? `(?=\\n|${end})` : `(?=\\n?${end})`,
    "^": flags.includes("m") ? "(?<![^\\n])" : "^",
    // Alone they are literal in Python.
    "{": "\\{",
    "}": "\\}",
    "]": "\\]",
  };
  const names = new Set<string>();
  const source = pattern.slice(opening.length).replace(part, (text) => {
    if (text.startsWith("\\")) return translateEscape(text, false);
    if (text.startsWith("[")) return translateClass(text);
    if (text.startsWith("(?")) return translateGroup(text, names);
    if (/^[*+?{].*\+$/.test(text) && text !== "+") {
      throw new Error(`the possessive repetition ${text} is not supported`);
    }
    if (text.startsWith("{,")) return `{0${text.slice(1)}`;
    return characters[text] ?? text;
  });
  return new RegExp(source, `gu${flags.includes("i") ? "i" : ""}`);
}

/** What opens a group, or stands for one. */
function translateGroup(text: string, names: Set<string>): string {
  if (text.startsWith("(?#")) return "";
  const [, sign, name] = /^\(\?P([<=])(\w+)/.exec(text) ?? [];
  if (sign === "=") return `\\k<${name}>`;
  if (name !== undefined) {
    if (/^\d/.test(name)) throw new Error(`a group cannot have the name ${name}`);
    if (names.has(name)) throw new Error(`two groups have the name ${name}`);
    names.add(name);
    return `(?<${name}>`;
  }
  if (text === "(?") {
    throw new Error(
      "it holds a group of a kind that is not supported, or flags that are not at its beginning",
    );
  }
  return text;
}

function translateClass(text: string): string {
  const [, opening = "", content = ""] = /^(\[\^?)([\s\S]*)\]$/.exec(text) ?? [];
  if (opening === "") throw new Error("brackets are not closed");
  // What stands for the other characters than some has no form inside of brackets, but beside them.
  const others: string[] = [];
  const characters = content.replace(classPart, (character) => {
    if (character === "\\S" || character === "\\W") {
      others.push(escapes[character[1]!]!.pattern!);
      return "";
    }
    if (character.startsWith("\\")) return translateEscape(character, true);
    return character === "[" || character === "]" ? `\\${character}` : character;
  });
  if (others.length === 0) return `${opening}${characters}]`;
  const either = (characters === "" ? others : [`[${characters}]`, ...others]).join("|");
  return opening === "[" ? `(?:${either})` : `(?:(?!${either})[\\s\\S])`;
}

function translateEscape(text: string, inClass: boolean): string {
  const letter = text[1]!;
  const known = Object.hasOwn(escapes, letter) ? escapes[letter] : undefined;
  if (known) {
    const form = inClass ? known.inClass : known.pattern;
    if (form === undefined) throw new Error(`${text} inside of brackets is not supported`);
    return form;
  }
  if (/^\\U[\da-fA-F]{8}$/.test(text)) return `\\u{${text.slice(2)}}`;
  if (letter === "0") return `\\x${Number.parseInt(text.slice(1), 8).toString(16).padStart(2, "0")}`;
  const isNumbered = /^\\(?:x[\da-fA-F]{2}|u[\da-fA-F]{4})$/.test(text);
  if (isNumbered || /[nrtfv]/.test(letter) || (!inClass && /[1-9]/.test(letter))) return text;
  if (/[a-zA-Z\d]/.test(letter)) throw new Error(`bad escape ${text}`);
  return /[\^$\\.*+?()[\]{}|/]/.test(letter) || (inClass && letter === "-") ? text : text.slice(1);
}
