/** @file The tokens of a text, with marks on those that lie in given stretches of it. */

import { adjustBeginning } from "../tokenization/beginning.ts";
import type { Span } from "../tokenization/chat-template.ts";
import type { Tokenizer } from "../tokenization/tokenizer.ts";
import type { TokenizedExample } from "./batch.ts";

export interface MaskedTokens {
  readonly ids: number[];
  readonly trained: number[];
}

/**
 * Tokens of `text`, marked where they lie in `spans` (in UTF-16 units, in order). If a token would reach across the
 * border of a span, the parts on both sides are tokenized apart, as they are when the model is used: the prompt is
 * tokenized before the completion is known.
 */
export function tokenizeSpans(text: string, spans: readonly Span[], tokenizer: Tokenizer): MaskedTokens {
  const ids = tokenizer.encode(text);
  const anchors = findSpecialTokens(text, ids, tokenizer);
  const borders = spans.flat().map((border) => tokensBefore(border, text, ids, anchors, tokenizer));
  if (borders.every((border) => border !== undefined)) {
    const trained = ids.map((_, i) =>
      spans.some((_, s) => i >= borders[2 * s]! && i < borders[2 * s + 1]!) ? 1 : 0,
    );
    return { ids, trained };
  }
  const parts: MaskedTokens = { ids: [], trained: [] };
  const append = (part: string, mark: number) => {
    for (const id of part === "" ? [] : tokenizer.encode(part)) {
      parts.ids.push(id);
      parts.trained.push(mark);
    }
  };
  let done = 0;
  for (const [start, end] of spans) {
    append(text.slice(done, start), 0);
    append(text.slice(start, end), 1);
    done = end;
  }
  append(text.slice(done), 0);
  return parts;
}

/** A special token: where it is among the ids and where it begins and ends in the text. */
interface Anchor {
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

function findSpecialTokens(text: string, ids: readonly number[], tokenizer: Tokenizer): Anchor[] {
  const anchors: Anchor[] = [];
  let end = 0;
  for (const [index, id] of ids.entries()) {
    if (!tokenizer.isSpecial(id)) continue;
    const token = tokenizer.tokenOf(id)!;
    const start = text.indexOf(token, end);
    if (start < 0) break;
    end = start + token.length;
    anchors.push({ index, start, end });
  }
  return anchors;
}

/**
 * How many of `ids` stand for the text before `border`; undefined if a token reaches across it.
 *
 * What stands before a special token has no part in how the text behind it is tokenized. So the text from the last
 * one before the border is tokenized first, and all of the text before the border only if it does not fit.
 */
function tokensBefore(
  border: number,
  text: string,
  ids: readonly number[],
  anchors: readonly Anchor[],
  tokenizer: Tokenizer,
): number | undefined {
  if (border === 0) return 0;
  if (border === text.length) return ids.length;
  const anchor = anchors.findLast(({ end }) => end <= border);
  for (const { index, start } of anchor ? [anchor, textStart] : [textStart]) {
    const before = tokenizer.encode(text.slice(start, border));
    if (before.every((id, i) => id === ids[index + i])) return index + before.length;
  }
  return undefined;
}

const textStart = { index: 0, start: 0 };

/**
 * The tokens as an example, with one BOS token whether the text has it or not.
 *
 * @param mark of a BOS token that is added
 */
export function finishExample(
  { ids, trained }: MaskedTokens,
  tokenizer: Tokenizer,
  mark: 0 | 1,
): TokenizedExample {
  const { drop, add } = adjustBeginning(ids, tokenizer);
  return {
    ids: Int32Array.from([...add, ...ids.slice(drop)]),
    trained: Uint8Array.from([...add.map(() => mark), ...trained.slice(drop)]),
  };
}
