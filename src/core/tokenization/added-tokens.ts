/** @file Added tokens: those that are found in a text before it is cut into words. */

import type { Piece } from "./pre-tokenizer.ts";

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  /** Whether it is searched for in the normalized text. */
  readonly normalized: boolean;
  /** Whether it must not stand within a word. */
  readonly single_word: boolean;
  /** Whether it takes the white space before it. */
  readonly lstrip: boolean;
  /** Whether it takes the white space behind it. */
  readonly rstrip: boolean;
}

/** A part of a text, or the id of an added token that stood there. */
export type Section = Piece | number;

const wordCharacter = String.raw`[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]`;
const endsWithWord = new RegExp(`${wordCharacter}$`, "u");
const startsWithWord = new RegExp(`^${wordCharacter}`, "u");
/** The most UTF-16 code units that a character takes. */
const widest = 2;
const spaceAtStart = /^\p{White_Space}+/u;
const spaceAtEnd = /(?<!\p{White_Space})\p{White_Space}+$/u;

/**
 * A function that finds added tokens: the leftmost, and of those that begin there the longest.
 *
 * Source: https://github.com/huggingface/tokenizers/blob/v0.23.1/tokenizers/src/tokenizer/added_vocabulary.rs
 *
 * @param textOf the text by which a token is found
 */
export function createAddedTokenFinder(
  tokens: readonly AddedToken[],
  textOf: (token: AddedToken) => string,
): (piece: Piece) => readonly Section[] {
  const find = createSearch(tokens.map((token) => ({ token, text: textOf(token) })));
  return (piece) => {
    const { text } = piece;
    const sections: Section[] = [];
    let done = 0;
    const addText = (end: number) => {
      if (done < end) sections.push({ text: text.slice(done, end), isFirst: piece.isFirst && done === 0 });
    };
    for (let at = find(text, 0); at; at = find(text, at.end)) {
      const { token } = at;
      let { start, end } = at;
      const isWithinWord =
        endsWithWord.test(text.slice(Math.max(0, start - widest), start)) ||
        startsWithWord.test(text.slice(end, end + widest));
      if (token.single_word && isWithinWord) continue;
      if (token.lstrip) start -= spaceAtEnd.exec(text.slice(done, start))?.[0].length ?? 0;
      if (token.rstrip) end += spaceAtStart.exec(text.slice(end))?.[0].length ?? 0;
      addText(start);
      sections.push(token.id);
      done = end;
    }
    addText(text.length);
    return sections;
  };
}

interface Found {
  readonly token: AddedToken;
  readonly start: number;
  readonly end: number;
}

function createSearch(entries: readonly { readonly token: AddedToken; readonly text: string }[]) {
  const byText = new Map<string, AddedToken>();
  // Of the texts that begin with a code unit the lengths, longest first.
  const lengthsByFirst = new Map<string, number[]>();
  for (const { token, text } of entries.toSorted((a, b) => b.text.length - a.text.length)) {
    if (text === "" || byText.has(text)) continue;
    byText.set(text, token);
    const lengths = lengthsByFirst.get(text[0]!) ?? [];
    if (lengths.at(-1) !== text.length) lengths.push(text.length);
    lengthsByFirst.set(text[0]!, lengths);
  }
  return (text: string, from: number): Found | undefined => {
    if (byText.size === 0) return undefined;
    for (let start = from; start < text.length; start++) {
      for (const length of lengthsByFirst.get(text[start]!) ?? []) {
        const end = start + length;
        const token = end <= text.length ? byText.get(text.slice(start, end)) : undefined;
        if (token) return { token, start, end };
      }
    }
    return undefined;
  };
}
