/** @file The tokens of requests: what lm-evaluation-harness gives a causal model to read, and which of it is scored. */

import { InputError } from "../core/errors.ts";
import { stripEnd } from "../core/python/text.ts";
import type { Tokenizer } from "../core/tokenization/tokenizer.ts";
import type { LoglikelihoodRequest } from "./language-model.ts";
import type { TokenSequence } from "./scoring.ts";

/** Tokens with those that the tokenizer adds, unless the text has a beginning of its own. */
export function encodeText(tokenizer: Tokenizer, text: string): number[] {
  const beginning = tokenizer.bosTokenId ?? tokenizer.eosTokenId;
  const token = beginning === undefined ? undefined : tokenizer.tokenOf(beginning);
  return tokenizer.encode(text, { addSpecialTokens: token === undefined || !text.startsWith(token) });
}

/**
 * The context's own tokens, and after them those of the whole text from their number on. Where letters are joined across the
 * border these are not the whole text's tokens. White space at the context's end is taken to be the continuation's.
 *
 * @throws InputError if no token is left for the continuation, or more than `maxLength`.
 */
export function encodePair(
  tokenizer: Tokenizer,
  { context, continuation }: LoglikelihoodRequest,
  maxLength: number,
): TokenSequence & { readonly isCut: boolean } {
  const before = context === "" ? [beginningToken(tokenizer)] : encodeText(tokenizer, stripEnd(context));
  const rest =
    context === ""
      ? withoutBeginning(tokenizer.encode(continuation), before[0]!)
      : encodeText(tokenizer, context + continuation).slice(before.length);
  const scored = rest.length;
  if (before.length === 0) {
    throw new InputError(
      `The context ${JSON.stringify(context)} has no tokens; give one with words, or none.`,
    );
  }
  if (scored < 1 || scored > maxLength) {
    throw new InputError(
      `The continuation ${JSON.stringify(continuation.slice(0, 60))} has ${scored} tokens after its context; it must have between 1 and ${maxLength}.`,
    );
  }
  const ids = [...before, ...rest];
  return { ids: ids.slice(-(maxLength + 1)), scored, isCut: ids.length > maxLength + 1 };
}

function withoutBeginning(ids: readonly number[], beginning: number): readonly number[] {
  return ids[0] === beginning ? ids.slice(1) : ids;
}

/** Windows over a text in which each token is scored once, with as much before it as its window has. */
export function encodeWindows(tokenizer: Tokenizer, text: string, maxLength: number): TokenSequence[] {
  const ids = encodeText(tokenizer, text);
  const whole = [beginningToken(tokenizer), ...ids];
  const windows: TokenSequence[] = [];
  for (let scored = 0; scored < ids.length; ) {
    const count = Math.min(maxLength, ids.length - scored);
    const end = scored + count + 1;
    windows.push({ ids: whole.slice(Math.max(0, end - maxLength - 1), end), scored: count });
    scored += count;
  }
  return windows;
}

/** What a text begins with if nothing stands before it. */
function beginningToken({ bosTokenId, eosTokenId }: Tokenizer): number {
  const token = bosTokenId ?? eosTokenId;
  if (token === undefined) {
    throw new InputError(
      "The model has no token to begin a text with, so texts without a context cannot be scored.",
    );
  }
  return token;
}
