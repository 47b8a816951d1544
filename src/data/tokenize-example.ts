/** @file From an example to tokens, and which of them are trained on. */

import { InputError } from "../errors.ts";
import { adjustBeginning } from "../tokenization/beginning.ts";
import { assistantSpans, specialTokensOf } from "../tokenization/chat-template.ts";
import type { Tokenizer } from "../tokenization/tokenizer.ts";
import type { TokenizedExample } from "./batch.ts";
import type { Example } from "./example.ts";

/** Which tokens the loss is taken over: those of the completions (with the end-of-turn token), or all. */
export type TrainOn = "completion" | "all";

export interface TokenizationOptions {
  readonly trainOn: TrainOn;
  /** Whether conversations go through the chat template, where there is one. */
  readonly applyChatTemplate: boolean;
}

/**
 * Tokenizes an example: through the chat template where the model has one and the example is a conversation, else as
 * its prompt followed by its completion and the end-of-sequence token.
 *
 * @param path for messages
 * @throws InputError if the example can be brought into neither form, or nothing would teach the model to stop: the
 *   template loses the end of a turn, or the tokenizer has no end-of-sequence token.
 */
export function tokenizeExample(
  example: Example,
  tokenizer: Tokenizer,
  { trainOn, applyChatTemplate }: TokenizationOptions,
  path: string,
): TokenizedExample {
  const { messages, givenMessages = 0, plain, line } = example;
  const template = applyChatTemplate ? tokenizer.chatTemplate : undefined;
  let tokens: MaskedTokens;
  if (messages && template !== undefined) {
    const specialTokens = specialTokensOf(tokenizer);
    const { text, spans } = assistantSpans(template, messages, specialTokens);
    const given = messages.slice(0, givenMessages);
    // Many templates fail on a conversation without messages.
    const speaksBefore = given.some(({ role }) => role === "assistant");
    const skipped = speaksBefore ? assistantSpans(template, given, specialTokens).spans.length : 0;
    tokens = tokenizeSpans(text, spans.slice(skipped), tokenizer);
    includeTurnEnds(tokens, tokenizer, `${path}, line ${line}`);
  } else if (plain) {
    const text = plain.prompt + plain.completion;
    tokens = tokenizeSpans(text, [[plain.prompt.length, text.length]], tokenizer);
    if (tokenizer.eosTokenId === undefined) {
      throw new InputError(
        `${path}, line ${line}: the model's tokenizer names no end-of-sequence token, so the model could not learn to stop; name one in the tokenizer's configuration.`,
      );
    }
    if (tokens.ids.at(-1) !== tokenizer.eosTokenId) {
      tokens.ids.push(tokenizer.eosTokenId);
      tokens.trained.push(1);
    }
  } else {
    throw new InputError(
      `${path}, line ${line}: the example is a conversation, but ${applyChatTemplate ? "the model has no chat template" : "no chat template is applied"}; give prompt and completion instead.`,
    );
  }
  const { ids, trained } = withOneBos(tokens, tokenizer);
  return {
    ids: Int32Array.from(ids),
    trained: trainOn === "all" ? new Uint8Array(ids.length).fill(1) : Uint8Array.from(trained),
  };
}

interface MaskedTokens {
  readonly ids: number[];
  readonly trained: number[];
}

type Span = readonly [start: number, end: number];

/**
 * Tokens of `text`, marked where they lie in `spans` (in UTF-16 units, in order). If a token would reach across the
 * border of a span, the parts on both sides are tokenized apart, as they are when the model is used: the prompt is
 * tokenized before the completion is known.
 */
function tokenizeSpans(text: string, spans: readonly Span[], tokenizer: Tokenizer): MaskedTokens {
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

/** Makes the token that ends each turn part of the loss, so that the model learns to stop. */
function includeTurnEnds({ ids, trained }: MaskedTokens, tokenizer: Tokenizer, where: string): void {
  for (let i = 0; i < ids.length; i++) {
    const endsSpan = trained[i] === 1 && trained[i + 1] !== 1;
    if (!endsSpan) continue;
    // A {% generation %} block may go on after the end-of-turn token, with a line break.
    let last = i;
    while (trained[last - 1] === 1 && isBlank(ids[last]!, tokenizer)) last--;
    if (tokenizer.isSpecial(ids[last]!)) continue;
    const next = ids[i + 1];
    if (next === undefined || !tokenizer.isSpecial(next)) {
      throw new InputError(
        `${where}: the chat template puts no special token at the end of the assistant's turn, so the model could not learn to stop; correct the template.`,
      );
    }
    trained[i + 1] = 1;
  }
}

function isBlank(id: number, tokenizer: Tokenizer): boolean {
  return !tokenizer.isSpecial(id) && tokenizer.decode([id]).trim() === "";
}

function withOneBos({ ids, trained }: MaskedTokens, tokenizer: Tokenizer): MaskedTokens {
  const { drop, add } = adjustBeginning(ids, tokenizer);
  return { ids: [...add, ...ids.slice(drop)], trained: [...add.map(() => 0), ...trained.slice(drop)] };
}
