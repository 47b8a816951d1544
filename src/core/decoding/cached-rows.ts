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
  swapRows,
} from "../engine/key-values.ts";
import type { HostTensor } from "../runtime/device.ts";

/** Room in a row grows by so many tokens at a time. */
const lengthStep = 128;
/** A shared beginning shorter than this is computed again rather than copied. */
const leastShared = 16;

/**
 * Rows of tokens whose keys and values are known. The first {@link CachedRows.active} are being written; those after
 * them were, and are kept for prompts that begin alike until their place is needed.
 */
export interface CachedRows {
  readonly active: number;
  /**
   * Begins a row for a prompt: the longest beginning that another row shares is copied.
   *
   * @returns how many of the prompt's tokens are known
   */
  begin(prompt: readonly number[]): number;
  /** Computes the next tokens of the row last begun. */
  extend(ids: readonly number[]): Promise<void>;
  /** Logits after the last token of the row last begun. */
  logits(): Promise<Float32Array>;
  /** Makes the row last begun active. */
  activate(): void;
  /** The tokens of an active row. */
  ids(row: number): readonly number[];
  /** Computes one token in each active row. @returns logits [active, vocabSize] */
  step(ids: readonly number[]): Promise<Float32Array>;
  /** Keys and values of the first tokens of an active row, copied. */
  past(row: number, length: number): KeyValues;
  /** Computes several tokens in one active row. @returns logits after the last, [vocabSize] */
  append(row: number, ids: readonly number[]): Promise<Float32Array>;
  /** Makes the active rows those of these numbers, in this order; one that is named twice is copied. */
  reorder(rows: readonly number[]): void;
  /** Ends an active row; the last active row takes its number. */
  end(row: number): void;
}

export function createCachedRows(config: ModelConfig, decoder: Decoder, capacity: number): CachedRows {
  /** The tokens of each row that are in the cache. */
  const tokens: number[][] = Array.from({ length: capacity }, () => []);
  /** When each idle row ended, counted in ends. */
  const endedAt: number[] = tokens.map(() => 0);
  let ends = 0;
  let cache = createKeyValues(config, capacity, 0);
  let active = 0;
  let begun: { known: KeyValues; ids: number[]; hidden?: HostTensor } | undefined;

  const makeRoom = (length: number) => {
    if (length <= cache.length) return;
    const larger = createKeyValues(config, capacity, Math.ceil(length / lengthStep) * lengthStep);
    for (const [row, ids] of tokens.entries()) {
      if (ids.length > 0) copyTokens(config, cache, { row, start: 0 }, larger, { row, start: 0 }, ids.length);
    }
    cache = larger;
  };
  const swap = (a: number, b: number) => {
    if (a === b) return;
    swapRows(cache, a, b);
    [tokens[a], tokens[b]] = [tokens[b]!, tokens[a]!];
    [endedAt[a], endedAt[b]] = [endedAt[b]!, endedAt[a]!];
  };
  /** The idle row that is overwritten next: an empty one, or that which ended first. */
  const oldestIdle = (): number => {
    let oldest = active;
    for (let row = active; row < capacity; row++) {
      if (tokens[row]!.length === 0) return row;
      if (endedAt[row]! < endedAt[oldest]!) oldest = row;
    }
    return oldest;
  };
  const part = (row: number, length: number): KeyValues => {
    const known = createKeyValues(config, 1, length);
    copyTokens(config, cache, { row, start: 0 }, known, { row: 0, start: 0 }, length);
    return known;
  };

  return {
    get active() {
      return active;
    },
    begin(prompt) {
      let best = oldestIdle();
      let shared = 0;
      for (const [row, ids] of tokens.entries()) {
        const common = commonLength(ids, prompt);
        if (common > shared) [best, shared] = [row, common];
      }
      // The last token is computed in any case, since its logits are wanted.
      shared = shared < leastShared ? 0 : Math.min(shared, prompt.length - 1);
      if (best >= active) {
        swap(best, active);
        best = active;
      }
      begun = { known: part(best, shared), ids: prompt.slice(0, shared) };
      return shared;
    },
    async extend(ids) {
      const { known, ids: before } = begun!;
      const { hidden, keyValues } = await extendText(decoder, ids, known);
      const longer = appendTokens(config, known, keyValues);
      begun = { known: longer, ids: [...before, ...ids], hidden };
    },
    logits() {
      const hidden = begun!.hidden!;
      return decoder.logits(hidden, Int32Array.of(hidden.dims[1]! - 1));
    },
    activate() {
      const { known, ids } = begun!;
      begun = undefined;
      tokens[active] = [];
      makeRoom(ids.length + 1);
      copyTokens(config, known, start, cache, { row: active, start: 0 }, ids.length);
      tokens[active] = ids;
      active++;
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
      const before = [...tokens];
      for (const [place, row] of rows.entries()) tokens[place] = before[row]!.slice();
      for (let row = rows.length; row < active; row++) endedAt[row] = ++ends;
      active = rows.length;
    },
    async step(ids) {
      const filled = Int32Array.from(ids, (_, row) => tokens[row]!.length);
      makeRoom(Math.max(...filled) + 1);
      const { logits, keyValues } = await decoder.step(
        { rows: active, length: 1, inputIds: Int32Array.from(ids), positionIds: filled },
        firstRows(cache, active),
        filled,
      );
      for (const [row, id] of ids.entries()) {
        copyTokens(config, keyValues, { row, start: 0 }, cache, { row, start: filled[row]! }, 1);
        tokens[row]!.push(id);
      }
      return logits;
    },
    end(row) {
      endedAt[row] = ++ends;
      active--;
      swap(row, active);
    },
  };
}

const start = { row: 0, start: 0 };
