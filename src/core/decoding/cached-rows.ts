/** @file Texts that are written side by side, with what the model keeps of each: one row of a cache per text. */

import type { ModelConfig } from "../architectures/architecture.ts";
import { type Decoder, extendText } from "../engine/decoder.ts";
import {
  appendTokens,
  commonLength,
  copyTokens,
  createKeyValues,
  firstRows,
  type KeyValues,
  reorderRows,
} from "../engine/key-values.ts";
import { float32, type HostTensor } from "../runtime/device.ts";
import { createBeginnings } from "./beginnings.ts";

/** Room in a row grows by so many tokens at a time. */
const lengthStep = 128;
/** A shared beginning shorter than this is computed again rather than copied. */
const leastShared = 16;

export interface CachedRowsOptions {
  /** Rows that may be active at a time. */
  readonly capacity: number;
  /** What prompts, and rows that have ended, may take for others that begin alike, in bytes. With 0 nothing is kept. */
  readonly keptBytes: number;
}

/** A prompt, as far as it is known. */
interface Begun {
  readonly ids: readonly number[];
  readonly known: KeyValues;
  /** The last block's output for some last tokens of it, float32 [1, length, hiddenSize]. */
  readonly hidden?: HostTensor;
  /** After its last token, once they were asked for. */
  logits?: Float32Array;
}

/** Rows of tokens whose keys and values are known, of which those that are active are being written. */
export interface CachedRows {
  readonly active: number;
  /**
   * Begins with a prompt: the longest beginning that is kept, or that an active row shares, is copied.
   *
   * @returns how many of the prompt's tokens are known: all of them if just this prompt is kept
   */
  begin(prompt: readonly number[]): number;
  /** Computes the next tokens of what was last begun. */
  extend(ids: readonly number[]): Promise<void>;
  /** Logits after the last token of what was last begun, which is kept from now on; they may be changed. */
  logits(): Promise<Float32Array>;
  /** Makes what was last begun an active row; another one each time. */
  activate(): void;
  /** The tokens of an active row. */
  ids(row: number): readonly number[];
  /**
   * Computes next tokens in each active row: one, or as many in each where the decoder takes several.
   *
   * @returns after each token the logits of the next, [active, tokens, vocabSize]
   */
  step(ids: readonly (readonly number[])[]): Promise<Float32Array>;
  /** Keeps only the first tokens of an active row. */
  shorten(row: number, length: number): void;
  /** Keys and values of the first tokens of an active row, copied. */
  past(row: number, length: number): KeyValues;
  /** Computes several tokens in one active row. @returns logits after the last, [vocabSize] */
  append(row: number, ids: readonly number[]): Promise<Float32Array>;
  /** Makes the active rows those of these numbers, in this order; one that is named twice is copied. */
  reorder(rows: readonly number[]): void;
  /** Ends an active row, which is kept; the last active row takes its number. */
  end(row: number): void;
}

export function createCachedRows(
  config: ModelConfig,
  decoder: Decoder,
  { capacity, keptBytes }: CachedRowsOptions,
): CachedRows {
  /** The tokens of each active row that are in the cache. */
  let tokens: number[][] = [];
  /** With a prompt the last block's output for its last token, [hiddenSize], from which the logits of the next follow. */
  const beginnings = createBeginnings<Float32Array>(config, keptBytes);
  let cache = createKeyValues(config, capacity, 0);
  let begun: Begun | undefined;

  const makeRoom = (length: number) => {
    if (length <= cache.length) return;
    const larger = createKeyValues(config, capacity, Math.ceil(length / lengthStep) * lengthStep);
    for (const [row, ids] of tokens.entries())
      copyTokens(config, cache, { row, start: 0 }, larger, { row, start: 0 }, ids.length);
    cache = larger;
  };
  const part = (row: number, length: number): KeyValues => {
    const known = createKeyValues(config, 1, length);
    copyTokens(config, cache, { row, start: 0 }, known, { row: 0, start: 0 }, length);
    return known;
  };

  return {
    get active() {
      return tokens.length;
    },
    begin(prompt) {
      // Prompts of several texts come one after the other.
      if (begun?.logits && isSame(begun.ids, prompt)) return prompt.length;
      const { length, value: output, copyTo } = beginnings.find(prompt);
      if (output) {
        const known = createKeyValues(config, 1, length);
        copyTo(known, 0, length);
        begun = { known, ids: prompt, hidden: float32(output, [1, 1, config.hiddenSize]) };
        return length;
      }
      let row: number | undefined;
      let shared = length;
      for (const [other, ids] of tokens.entries()) {
        const common = commonLength(ids, prompt);
        if (common > shared) [row, shared] = [other, common];
      }
      // The last token is computed in any case, since its logits are wanted.
      shared = shared < leastShared ? 0 : Math.min(shared, prompt.length - 1);
      const known = row === undefined ? createKeyValues(config, 1, shared) : part(row, shared);
      if (row === undefined) copyTo(known, 0, shared);
      begun = { known, ids: prompt.slice(0, shared) };
      return shared;
    },
    async extend(ids) {
      const { known, ids: before } = begun!;
      const { hidden, keyValues } = await extendText(decoder, ids, known);
      const longer = appendTokens(config, known, keyValues);
      begun = { known: longer, ids: [...before, ...ids], hidden };
    },
    async logits() {
      const prompt = begun!;
      if (!prompt.logits) {
        const hidden = prompt.hidden!;
        const output = (hidden.data as Float32Array).slice(-config.hiddenSize);
        beginnings.keep(prompt.ids, { keyValues: prompt.known, row: 0 }, output);
        prompt.logits = await decoder.logits(hidden, Int32Array.of(hidden.dims[1]! - 1));
      }
      return prompt.logits.slice();
    },
    activate() {
      const { known, ids } = begun!;
      makeRoom(ids.length + 1);
      copyTokens(config, known, start, cache, { row: tokens.length, start: 0 }, ids.length);
      tokens.push([...ids]);
    },
    ids: (row) => tokens[row]!,
    past: part,
    async append(row, ids) {
      const before = tokens[row]!.length;
      const { hidden, keyValues } = await extendText(decoder, ids, part(row, before));
      makeRoom(before + ids.length);
      copyTokens(config, keyValues, start, cache, { row, start: before }, ids.length);
      tokens[row]!.push(...ids);
      return decoder.logits(hidden, Int32Array.of(ids.length - 1));
    },
    reorder(rows) {
      reorderRows(cache, rows);
      tokens = rows.map((row) => [...tokens[row]!]);
    },
    async step(ids) {
      const filled = Int32Array.from(ids, (_, row) => tokens[row]!.length);
      const length = ids[0]!.length;
      makeRoom(Math.max(...filled) + length);
      const { logits, keyValues } = await decoder.step(
        {
          rows: ids.length,
          length,
          inputIds: Int32Array.from(ids.flat()),
          positionIds: Int32Array.from(ids.flatMap((ofRow, row) => ofRow.map((_, i) => filled[row]! + i))),
        },
        firstRows(cache, ids.length),
        filled,
      );
      for (const [row, ofRow] of ids.entries()) {
        copyTokens(config, keyValues, { row, start: 0 }, cache, { row, start: filled[row]! }, length);
        tokens[row]!.push(...ofRow);
      }
      return logits;
    },
    shorten(row, length) {
      tokens[row]!.length = length;
    },
    end(row) {
      beginnings.keep(tokens[row]!, { keyValues: cache, row });
      const last = tokens.pop()!;
      if (row === tokens.length) return;
      copyTokens(config, cache, { row: tokens.length, start: 0 }, cache, { row, start: 0 }, last.length);
      tokens[row] = last;
    },
  };
}

const start = { row: 0, start: 0 };

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && commonLength(a, b) === a.length;
}
