/** @file The beginning-of-sequence token: exactly one, whether the template writes it or the tokenizer adds it. */

import type { Tokenizer } from "./tokenizer.ts";

/** How to bring token ids to exactly one BOS token: `drop` tokens from the front, then put `add` before the rest. */
export function adjustBeginning(
  ids: readonly number[],
  { addsBosToken, bosTokenId }: Tokenizer,
): { readonly drop: number; readonly add: readonly number[] } {
  if (bosTokenId === undefined) return { drop: 0, add: [] };
  const first = ids.findIndex((id) => id !== bosTokenId);
  const written = first < 0 ? ids.length : first;
  return { drop: written, add: addsBosToken || written > 0 ? [bosTokenId] : [] };
}
