/** @file Texts that a model will go on with. */

import type { Tokenizer } from "./tokenizer.ts";

/**
 * Token ids of a text that will be gone on with. Line ends at its end are divided as where a letter follows: many tokenizers make one token
 * of white space at the end of a text that is several tokens in the middle of one, and only these has a model learnt to go on from.
 */
export function encodeUnfinished(tokenizer: Tokenizer, text: string): number[] {
  if (!text.endsWith("\n")) return tokenizer.encode(text);
  const followed = tokenizer.encode(`${text}a`);
  const isApart = tokenizer.decode(followed.slice(-1)) === "a";
  return isApart ? followed.slice(0, -1) : tokenizer.encode(text);
}
