/** @file Python's regular expressions, in which tasks state what they extract and ignore, as JavaScript's. */

import { createContext, Script } from "node:vm";
import { InputError } from "../../errors.ts";
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

/** Parts of a pattern: an escape, a character class with its contents, a group's opening, a repetition, a character. */
const part =
  /\\(?:x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|[\s\S])|\[\^?\]?(?:\\[\s\S]|[^\]\\])*\]|\(\?P<|\(\?P=\w+\)|\{(?:\d+,?\d*|,\d+)\}|[\s\S]/gu;

/**
 * The matches of a pattern as Python's `re.findall` gives them, one after the other: of each its groups, "" for those
 * that take no part in it, or the whole match if the pattern has no groups.
 *
 * @throws InputError as `compilePythonRegExp` does, or if it takes too long.
 */
export function findAll(pattern: string, text: string): string[][] {
  const regExp = compilePythonRegExp(pattern);
  return withinPatience(pattern, () =>
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
  return withinPatience(pattern, () => text.replace(regExp, ""));
}

/** Milliseconds after which a search is taken for one that does not end; almost all take less than one. */
const patience = 2000;
const searching: { search: () => unknown } = { search: () => undefined };
const context = createContext(searching);
const script = new Script("search()");

/**
 * Runs a search. The patterns come with tasks from strangers, and one such as (a+)+b tries more ways than it has time
 * for; nothing else, not even Ctrl-C, is heard meanwhile.
 */
function withinPatience<T>(pattern: string, search: () => T): T {
  searching.search = search;
  try {
    return script.runInContext(context, { timeout: patience });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    throw new InputError(
      `The regular expression ${JSON.stringify(pattern)} takes more than ${patience / 1000} seconds on one answer; write it without a repetition within a repetition.`,
    );
  }
}

const compiled = new Map<string, RegExp>();

/**
 * A regular expression as Python's `re` reads it, global and over code points: "." stands for all but "\n", "$" also
 * matches before a final line break, \d, \s, \w and \b are those of Unicode. The flags (?i), (?m) and (?s) may open
 * it.
 *
 * @throws InputError if it does not compile, or uses what JavaScript has no form of.
 */
export function compilePythonRegExp(pattern: string): RegExp {
  let regExp = compiled.get(pattern);
  if (!regExp) {
    try {
      regExp = translate(pattern);
    } catch (error) {
      const reason = (error as Error).message.replace(/^Invalid regular expression: \/.*\/\w*: /s, "");
      throw new InputError(`The regular expression ${JSON.stringify(pattern)} does not compile: ${reason}.`);
    }
    compiled.set(pattern, regExp);
  }
  return regExp;
}

function translate(pattern: string): RegExp {
  const [opening = "", flags = ""] = /^\(\?([ims]+)\)/.exec(pattern) ?? [];
  const characters: Readonly<Record<string, string>> = {
    ".": flags.includes("s") ? "[\\s\\S]" : "[^\\n]",
    $: flags.includes("m") ? `(?=\\n|${end})` : `(?=\\n?${end})`,
    "^": flags.includes("m") ? "(?<![^\\n])" : "^",
    // Alone they are literal in Python.
    "{": "\\{",
    "}": "\\}",
    "]": "\\]",
  };
  const source = pattern.slice(opening.length).replace(part, (text) => {
    if (text.startsWith("\\")) return translateEscape(text, false);
    if (text.startsWith("[") && text.length > 1) return translateClass(text);
    if (text === "(?P<") return "(?<";
    if (text.startsWith("(?P=")) return `\\k<${text.slice(4, -1)}>`;
    if (text.startsWith("{,")) return `{0${text.slice(1)}`;
    return characters[text] ?? text;
  });
  return new RegExp(source, `gu${flags.includes("i") ? "i" : ""}`);
}

function translateClass(text: string): string {
  const [, opening = "", content = ""] = /^(\[\^?)([\s\S]*)\]$/.exec(text)!;
  const translated = content.replace(
    /\\(?:x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|[\s\S])|[[\]]/gu,
    (character) => (character.startsWith("\\") ? translateEscape(character, true) : `\\${character}`),
  );
  return `${opening}${translated}]`;
}

function translateEscape(text: string, inClass: boolean): string {
  const letter = text[1]!;
  const known = Object.hasOwn(escapes, letter) ? escapes[letter] : undefined;
  if (known) {
    const form = inClass ? known.inClass : known.pattern;
    if (form === undefined) throw new Error(`${text} inside of brackets is not supported`);
    return form;
  }
  if (letter === "U") return `\\u{${text.slice(2)}}`;
  if (/[xunrtfv]/.test(letter) || (!inClass && /[1-9]/.test(letter))) return text;
  if (/[a-zA-Z\d]/.test(letter)) throw new Error(`bad escape ${text}`);
  return /[\^$\\.*+?()[\]{}|/]/.test(letter) || (inClass && letter === "-") ? text : text.slice(1);
}
