/** @file Byte-pair encoding: the token ids of a word. */

import * as library from "@huggingface/tokenizers";
import { InputError } from "../errors.ts";

/** A vocabulary with its merges, as tokenizer.json describes it; checked. */
export interface BytePairModel {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly merges: readonly (readonly [left: string, right: string])[];
  readonly unkToken: string | undefined;
  readonly fuseUnk: boolean;
  readonly byteFallback: boolean;
  readonly ignoreMerges: boolean;
}

/** The part of the library that joins characters by merges. */
const { BPE } = library as unknown as {
  readonly BPE: new (config: object) => { bpe(word: string): readonly string[] };
};

/**
 * The function that encodes a word. Characters that the vocabulary lacks become the tokens of their bytes, else the unknown
 * token, else nothing; only then are neighbours joined.
 *
 * Source: https://github.com/huggingface/tokenizers/blob/v0.23.1/tokenizers/src/models/bpe/model.rs
 *
 * @throws InputError, when encoding, if the unknown token that is needed is not in the vocabulary.
 */
export function createWordEncoder(model: BytePairModel, source: string): (word: string) => readonly number[] {
  const { vocabulary, merges, unkToken, fuseUnk, byteFallback, ignoreMerges } = model;
  const joiner = new BPE({ type: "BPE", vocab: Object.fromEntries(vocabulary), merges });
  const unkId = unkToken === undefined ? undefined : vocabulary.get(unkToken);
  const bytesOf = (character: string): readonly number[] | undefined => {
    if (!byteFallback) return undefined;
    const ids = Array.from(Buffer.from(character, "utf8"), (byte) => vocabulary.get(byteToken(byte)));
    return ids.every((id) => id !== undefined) ? ids : undefined;
  };
  return (word) => {
    const whole = ignoreMerges ? vocabulary.get(word) : undefined;
    if (whole !== undefined) return [whole];
    const ids: number[] = [];
    let known = "";
    let unknown = false;
    const endKnown = () => {
      if (known !== "") for (const token of joiner.bpe(known)) ids.push(vocabulary.get(token)!);
      known = "";
    };
    const endUnknown = () => {
      if (unknown) ids.push(unkId!);
      unknown = false;
    };
    for (const character of word) {
      if (vocabulary.has(character)) {
        endUnknown();
        known += character;
        continue;
      }
      const bytes = bytesOf(character);
      if (bytes) {
        endKnown();
        ids.push(...bytes);
      } else if (unkToken !== undefined) {
        if (unkId === undefined) {
          throw new InputError(
            `${source} has no token for ${JSON.stringify(character)}, and its "unk_token" ${JSON.stringify(unkToken)} is not in its vocabulary.`,
          );
        }
        endKnown();
        if (!fuseUnk) endUnknown();
        unknown = true;
      }
    }
    endKnown();
    endUnknown();
    return ids;
  };
}

/** The token of a byte in vocabularies that fall back to them. */
export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}
