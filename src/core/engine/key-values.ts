/** @file Keys and values of tokens that a model has seen: what a decoder keeps so as not to compute them again. */

import type { ModelConfig } from "../architectures/architecture.ts";

/**
 * Keys and values of `rows` rows of `length` tokens. They lie in JavaScript's memory and programs read them there: only
 * those of new tokens are ever copied.
 */
export interface KeyValues {
  readonly rows: number;
  readonly length: number;
  /** One per block, [rows, groups, length, headDim]; the values too. */
  readonly keys: readonly Float32Array[];
  readonly values: readonly Float32Array[];
}

export function createKeyValues(config: ModelConfig, rows: number, length: number): KeyValues {
  const create = () => {
    const size = rows * config.numKeyValueHeads * config.headDim * length;
    return Array.from({ length: config.numHiddenLayers }, () => new Float32Array(size));
  };
  return { rows, length, keys: create(), values: create() };
}

/** Bytes of the keys and values of a token. */
export function bytesPerToken({ numHiddenLayers, numKeyValueHeads, headDim }: ModelConfig): number {
  return 2 * numHiddenLayers * numKeyValueHeads * headDim * Float32Array.BYTES_PER_ELEMENT;
}

/** The first `rows` rows, sharing memory. */
export function firstRows(source: KeyValues, rows: number): KeyValues {
  const part = (data: Float32Array) => data.subarray(0, (data.length / source.rows) * rows);
  return { rows, length: source.length, keys: source.keys.map(part), values: source.values.map(part) };
}

/** A run of tokens in one row. */
interface TokenRange {
  readonly row: number;
  readonly start: number;
}

/** Copies the keys and values of `count` tokens. */
export function copyTokens(
  config: ModelConfig,
  source: KeyValues,
  from: TokenRange,
  target: KeyValues,
  to: TokenRange,
  count: number,
): void {
  const { numKeyValueHeads: groups, headDim } = config;
  const copy = (sources: readonly Float32Array[], targets: readonly Float32Array[]) => {
    for (const [layer, data] of targets.entries()) {
      for (let group = 0; group < groups; group++) {
        const read = ((from.row * groups + group) * source.length + from.start) * headDim;
        const write = ((to.row * groups + group) * target.length + to.start) * headDim;
        data.set(sources[layer]!.subarray(read, read + count * headDim), write);
      }
    }
  };
  copy(source.keys, target.keys);
  copy(source.values, target.values);
}

/** Overwrites the first rows: each place gets what the row of the number that it names has now. */
export function reorderRows(keyValues: KeyValues, rows: readonly number[]): void {
  const moved = [...rows.entries()].filter(([place, row]) => place !== row);
  for (const data of [...keyValues.keys, ...keyValues.values]) {
    const size = data.length / keyValues.rows;
    const copies = new Map(moved.map(([, row]) => [row, data.slice(row * size, (row + 1) * size)]));
    for (const [place, row] of moved) data.set(copies.get(row)!, place * size);
  }
}

/** Those of one text with those of the tokens that follow. */
export function appendTokens(config: ModelConfig, past: KeyValues, added: KeyValues): KeyValues {
  if (past.length === 0) return added;
  const longer = createKeyValues(config, 1, past.length + added.length);
  copyTokens(config, past, { row: 0, start: 0 }, longer, { row: 0, start: 0 }, past.length);
  copyTokens(config, added, { row: 0, start: 0 }, longer, { row: 0, start: past.length }, added.length);
  return longer;
}

/** The number of tokens that two texts have in common at their beginning. */
export function commonLength(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return length;
}
