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
  /** Whether a stop string stands in the text. */
  readonly stopped: boolean;
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
  let end: number | undefined;
  const decode = (from: number, to: number) =>
    tokenizer.decode(ids.slice(from, to), { skipSpecialTokens: true });

  const release = (upTo: number): string => {
    const piece = text.slice(released, upTo);
    released = Math.max(released, upTo);
    return piece;
  };
  const append = (piece: string) => {
    const from = Math.max(0, text.length - Math.max(0, ...stop.map((string) => string.length - 1)));
    text += piece;
    const places = stop.map((string) => text.indexOf(string, from)).filter((place) => place >= 0);
    if (places.length > 0) end = Math.min(...places);
  };

  return {
    get stopped() {
      return end !== undefined;
    },
    get text() {
      return text.slice(0, end);
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
      return release(end ?? text.length - heldBack(text, stop));
    },
    finish() {
      if (end === undefined && decodedEnd < ids.length)
        append(decode(contextStart, ids.length).slice(decode(contextStart, decodedEnd).length));
      return release(end ?? text.length);
    },
  };
}

/** Length of the longest end of the text with which a stop string begins. */
function heldBack(text: string, stop: readonly string[]): number {
  let longest = 0;
  for (const string of stop) {
    for (let length = Math.min(string.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(string.slice(0, length))) longest = length;
    }
  }
  return longest;
}
