/** @file Turns tokens into text as they come, and finds strings that end it. */

import type { Tokenizer } from "../tokenization/tokenizer.ts";

/** Stands for bytes that are no character, or not yet. */
const replacement = "\ufffd";

export interface TextStream {
  /**
   * Takes the next token.
   *
   * @returns the text that will not change any more; no stop string can begin in it
   */
  push(id: number): string;
  /** The text that was held back, at the end. */
  finish(): string;
  /** The stop string before which the text ends; undefined if none stands in it. */
  readonly stop: string | undefined;
  /** The text so far, including what is held back, without the stop string. */
  readonly text: string;
  /** Length of the text that has been given out. */
  readonly released: number;
}

/** Text of tokens that follow others, without special tokens, up to the first of `stop`. */
export function createTextStream(tokenizer: Tokenizer, stop: readonly string[]): TextStream {
  const ids: number[] = [];
  // Tokens are decoded with some before them, since a tokenizer may treat the first of a text in another way.
  let contextStart = 0;
  let decodedEnd = 0;
  let text = "";
  let released = 0;
  let end: { readonly start: number; readonly stop: string } | undefined;
  let searches: readonly Search[] | undefined;
  const decode = (from: number, to: number) =>
    tokenizer.decode(ids.slice(from, to), { skipSpecialTokens: true });

  const release = (upTo: number): string => {
    const piece = text.slice(released, upTo);
    released = Math.max(released, upTo);
    return piece;
  };
  const append = (piece: string) => {
    searches ??= stop.map(createSearch);
    for (const search of searches) {
      const found = search.advance(piece);
      if (found === undefined) continue;
      const start = text.length + found - search.string.length;
      if (end === undefined || start < end.start) end = { start, stop: search.string };
    }
    text += piece;
  };
  /** Length of the longest end of the text with which a stop string begins. */
  const heldBack = () => Math.max(0, ...(searches ?? []).map(({ matched }) => matched));

  return {
    get stop() {
      return end?.stop;
    },
    get text() {
      return text.slice(0, end?.start);
    },
    get released() {
      return released;
    },
    push(id) {
      ids.push(id);
      const known = decode(contextStart, decodedEnd);
      const whole = decode(contextStart, ids.length);
      if (whole.length <= known.length || whole.endsWith(replacement)) return "";
      contextStart = decodedEnd;
      decodedEnd = ids.length;
      append(whole.slice(known.length));
      return release(end?.start ?? text.length - heldBack());
    },
    finish() {
      if (end === undefined && decodedEnd < ids.length)
        append(decode(contextStart, ids.length).slice(decode(contextStart, decodedEnd).length));
      return release(end?.start ?? text.length);
    },
  };
}

/** The search for one string in a text that comes piece by piece. */
interface Search {
  readonly string: string;
  /** Length of the longest end of the text with which the string begins. */
  readonly matched: number;
  /** @returns where in the piece the first occurrence of the string ends; undefined if there is none */
  advance(piece: string): number | undefined;
}

/** Looks at each character once, however long the string is (Knuth, Morris and Pratt 1977). */
function createSearch(string: string): Search {
  // Of each beginning of the string: the length of the longest shorter beginning with which it ends.
  const shorter = new Int32Array(string.length + 1);
  const extend = (length: number, unit: number): number => {
    let longest = length;
    while (longest > 0 && string.charCodeAt(longest) !== unit) longest = shorter[longest]!;
    return string.charCodeAt(longest) === unit ? longest + 1 : 0;
  };
  for (let i = 1; i < string.length; i++) shorter[i + 1] = extend(shorter[i]!, string.charCodeAt(i));

  let matched = 0;
  return {
    string,
    get matched() {
      return matched;
    },
    advance(piece) {
      for (let i = 0; i < piece.length; i++) {
        matched = extend(matched, piece.charCodeAt(i));
        if (matched === string.length) return i + 1;
      }
      return undefined;
    },
  };
}
