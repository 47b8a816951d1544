/** @file What tokenizer.json searches texts for: a text, or an expression of Oniguruma's. */

import * as library from "@huggingface/tokenizers";

/** The part of the library that translates expressions. Node's module resolution does not find its own declarations. */
const SplitPreTokenizer = (
  library as unknown as {
    readonly SplitPreTokenizer: new (config: object) => { readonly pattern: RegExp | null };
  }
).SplitPreTokenizer;

/** Escapes, classes, and single characters; and before them what would be translated to something else. */
const parts = /(\(\?>|\\G|(?:[*+?]\+))|\\[\s\S]|\[\^?\]?(?:\\[\s\S]|[^\\\]])*\]|[\s\S]/g;

/**
 * A pattern of tokenizer.json, `{ String: … }` or `{ Regex: … }`, as a global expression.
 *
 * @throws Error if it is neither, or uses what has no equal in JavaScript.
 */
export function compilePattern(pattern: unknown): RegExp {
  const { String: text, Regex: expression } = (pattern ?? {}) as Record<string, unknown>;
  if (typeof text === "string") return new RegExp(escapeExpression(text), "gu");
  if (typeof expression !== "string")
    throw new Error("it has a pattern that is neither a text nor an expression");
  for (const [, untranslatable] of expression.matchAll(parts)) {
    if (untranslatable) throw new Error(`its expression uses "${untranslatable}", which is not supported`);
  }
  if (/\(\?i[:)]/.test(expression) && /[^\0-\x7f]/.test(expression)) {
    throw new Error("its expression ignores the case of letters beyond ASCII, which is not supported");
  }
  return new SplitPreTokenizer({ pattern: { Regex: expression }, invert: false }).pattern!;
}

/** The matches of a pattern in a text that is not empty. As in Oniguruma, none is empty at the end of the one before. */
export function* findMatches(
  text: string,
  pattern: RegExp,
): Generator<readonly [start: number, end: number]> {
  if (text === "") return;
  let last = -1;
  for (const { 0: match, index } of text.matchAll(pattern)) {
    if (match === "" && (index === last || isWithinCharacter(text, index))) continue;
    last = index + match.length;
    yield [index, last];
  }
}

/** Whether a position is between the two code units of one character, where V8 lets look-behinds match. */
export function isWithinCharacter(text: string, index: number): boolean {
  return (text.codePointAt(index - 1) ?? 0) > 0xffff;
}

/** `text` with `content` in the place of each match. */
export function replaceMatches(text: string, pattern: RegExp, content: string): string {
  if (text.search(pattern) < 0) return text;
  let replaced = "";
  let done = 0;
  for (const [start, end] of findMatches(text, pattern)) {
    replaced += text.slice(done, start) + content;
    done = end;
  }
  return replaced + text.slice(done);
}

/** An expression that matches `text`. */
export function escapeExpression(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
}
