/** @file Log-probabilities in the two forms that OpenAI's API reference has for them. */

import type { GeneratedToken, TokenLogprob } from "../core/decoding/generator.ts";

/** Those of a chat completion. */
export function chatLogprobs(tokens: readonly GeneratedToken[]): object {
  const content = tokens.map(({ top, ...token }) => ({
    ...describe(token),
    top_logprobs: top.map(describe),
  }));
  return { content, refusal: null };
}

function describe({ text, logprob }: TokenLogprob): object {
  // The text of a token that holds a part of a character says nothing of its bytes.
  const bytes = text.includes("\ufffd") ? null : [...Buffer.from(text)];
  return { token: text, logprob: finite(logprob), bytes };
}

/** Those of a (legacy) completion: parallel lists. */
export interface CompletionLogprobs {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly number[];
  readonly top_logprobs: readonly Readonly<Record<string, number>>[];
  /** Where each token begins in the text, in characters as Python counts them. */
  readonly text_offset: readonly number[];
}

/** @param start where the first token begins in the text */
export function completionLogprobs(tokens: readonly GeneratedToken[], start: number): CompletionLogprobs {
  let end = start;
  return {
    tokens: tokens.map(({ text }) => text),
    token_logprobs: tokens.map(({ logprob }) => finite(logprob)),
    // The token itself belongs to them even where it is not among the likeliest.
    top_logprobs: tokens.map((token) =>
      Object.fromEntries([...token.top, token].map(({ text, logprob }) => [text, finite(logprob)])),
    ),
    text_offset: tokens.map(({ text }) => {
      const offset = end;
      end += lengthOf(text);
      return offset;
    }),
  };
}

/** Number of characters, those beyond the basic plane counted once. */
export function lengthOf(text: string): number {
  return [...text].length;
}

/** JSON has no infinity; OpenAI writes -9999 for what cannot come. */
function finite(logprob: number): number {
  return Math.max(logprob, -9999);
}
