/** @file Bounds on the time of a tokenizer's expressions, which come with models from strangers. */

import { withinPatience } from "../python/patience.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Milliseconds for any text, and for each of its characters: many times what tokenizers take. */
const patience = 2000;
const patiencePerCharacter = 0.02;

/** Milliseconds for a vocabulary, of which large ones take a second. */
const patienceToBuild = 30_000;

/**
 * A tokenizer that is given up where its expressions do not come to an end.
 *
 * @param definition what tokenizer.json holds
 * @param source what it came from, for errors
 * @throws InputError if building it takes too long, and whatever `build` throws.
 */
export function boundTokenizer(definition: unknown, source: string, build: () => Tokenizer): Tokenizer {
  if (!holdsExpression(definition)) return build();
  const complaint = (what: string) =>
    `${source}: its expressions take too long to ${what}; a repetition within a repetition may be the cause. Take another tokenizer.`;
  const tokenizer = withinPatience(complaint("be used"), build, patienceToBuild);
  return {
    ...tokenizer,
    encode: (text, options) =>
      withinPatience(
        complaint("cut a text"),
        () => tokenizer.encode(text, options),
        patience + patiencePerCharacter * text.length,
      ),
    decode: (ids, options) =>
      withinPatience(
        complaint("decode tokens"),
        () => tokenizer.decode(ids, options),
        patience + patiencePerCharacter * ids.length,
      ),
  };
}

/** Whether normalizer, pre-tokenizer or decoder search by an expression of the file's own. */
function holdsExpression(definition: unknown): boolean {
  const { normalizer, pre_tokenizer, decoder } = (definition ?? {}) as Record<string, unknown>;
  const parts: unknown[] = [normalizer, pre_tokenizer, decoder];
  for (const part of parts) {
    if (typeof part !== "object" || part === null) continue;
    if (Object.hasOwn(part, "Regex")) return true;
    for (const inner of Object.values(part)) parts.push(inner);
  }
  return false;
}
