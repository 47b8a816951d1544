/** @file Special tokens that are added to a tokenizer. */

import { createTokenizer, type TokenizerFiles } from "./hugging-face.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { asObject } from "./vocabulary.ts";

export interface NamedTokens {
  /** The tokenizer's files with those that it lacked. */
  readonly files: TokenizerFiles;
  readonly tokenizer: Tokenizer;
  /** The id of each token that was named. */
  readonly ids: readonly number[];
  /** Those that it lacked. */
  readonly added: readonly string[];
  /** Those that it had. */
  readonly existing: readonly string[];
}

/**
 * Gives a tokenizer those of the special tokens that it lacks, with the ids behind its own.
 *
 * @param source what the files came from, for errors
 * @throws InputError if they are no tokenizer.
 */
export function addSpecialTokens(
  files: TokenizerFiles,
  tokens: readonly string[],
  source: string,
): NamedTokens {
  const before = createTokenizer(files, source);
  const named = [...new Set(tokens)];
  const added = named.filter((token) => before.idOf(token) === undefined);
  const existing = named.filter((token) => before.idOf(token) !== undefined);
  const definition = asObject(files.tokenizer)!;
  const known = Array.isArray(definition.added_tokens) ? definition.added_tokens : [];
  const entries = added.map((content, i) => ({
    id: before.vocabularySize + i,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const extended = { ...files, tokenizer: { ...definition, added_tokens: [...known, ...entries] } };
  const tokenizer = createTokenizer(extended, source);
  return { files: extended, tokenizer, ids: named.map((token) => tokenizer.idOf(token)!), added, existing };
}
