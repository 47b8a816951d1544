/** @file Which tokens of a batch see each other. */

import type { TokenBatch } from "../data/batch.ts";
import { float32, type HostTensor } from "../runtime/device.ts";

/** Added to a score, it makes the softmax's weight exactly zero, and leaves the score finite. */
const hidden = -1e30;

/** With so many chunks 5/8 of the scores are computed instead of all; more would save little arithmetic. */
const usualChunks = 4;
/** Queries of a chunk at most, so that a chunk's scores grow with the length of the row and not with its square. */
const chunkTokens = 256;

/**
 * Chunks into which the queries of a row of `length` tokens are divided: a power of two, so that there are few programs. Few
 * tokens are not worth a program of their own.
 */
export function chooseQueryChunks(length: number): number {
  if (length < 64) return 1;
  return Math.max(usualChunks, 2 ** Math.ceil(Math.log2(length / chunkTokens)));
}

/** Whether the row is so long that its attention weights are computed again for the gradients, in place of being kept. */
export function recomputesAttention(queryChunks: number): boolean {
  return queryChunks > usualChunks;
}

/** A power of two: distances times it are exact, and make a hidden score's weight exactly zero. */
const far = 2 ** 100;

/** Name of the input that holds the positions of the keys that a chunk of queries may see. */
export function keyPositionsName(chunk: number): string {
  return `keyPositions.${chunk}`;
}

/**
 * Names of the inputs that say which of them the queries of a chunk see; see {@link createKeyRanges}.
 *
 * @param window number of the window among the model's
 */
export function keyRangeNames(chunk: number, window: number) {
  return {
    center: `rangeCenter.${window}.${chunk}`,
    radius: `rangeRadius.${window}.${chunk}`,
  };
}

/**
 * The range of keys that each token of a row sees: from its packed example's first, or from the first within the window, to its
 * own. For each of `chunks` chunks of C = ceil(S / chunks) queries, of which the last may have fewer, and each of the model's
 * windows: the center of each query's range and its radius, float32 [B, 1, C, 1], and the positions [(i + 1) C] of the keys, all
 * in a unit so large that a distance beyond the radius hides a score.
 */
export function createKeyRanges(
  { rows, length, segmentIds }: Pick<TokenBatch, "rows" | "length" | "segmentIds">,
  chunks: number,
  windows: readonly (number | undefined)[],
): Record<string, HostTensor> {
  const keyPositions = Float32Array.from({ length }, (_, position) => position * far);
  const full = Math.ceil(length / chunks);
  const feeds: Record<string, HostTensor> = {};
  for (let chunk = 0; chunk < chunks; chunk++) {
    const end = Math.min((chunk + 1) * full, length);
    feeds[keyPositionsName(chunk)] = float32(keyPositions.subarray(0, end), [end]);
  }
  for (const [index, window = Number.POSITIVE_INFINITY] of windows.entries()) {
    const center = new Float32Array(rows * length);
    const radius = new Float32Array(rows * length);
    for (let row = 0; row < rows; row++) {
      let start = 0;
      for (let query = 0; query < length; query++) {
        const token = row * length + query;
        if (query > 0 && segmentIds[token] !== segmentIds[token - 1]) start = query;
        const first = Math.max(start, query - window + 1);
        center[token] = ((first + query) / 2) * far;
        radius[token] = ((query - first) / 2) * far;
      }
    }
    for (let chunk = 0; chunk < chunks; chunk++) {
      const start = chunk * full;
      const end = Math.min(start + full, length);
      const ofChunk = (values: Float32Array): HostTensor => {
        const part = new Float32Array(rows * (end - start));
        for (let row = 0; row < rows; row++) {
          const offset = row * length;
          part.set(values.subarray(offset + start, offset + end), row * (end - start));
        }
        return float32(part, [rows, 1, end - start, 1]);
      };
      const names = keyRangeNames(chunk, index);
      feeds[names.center] = ofChunk(center);
      feeds[names.radius] = ofChunk(radius);
    }
  }
  return feeds;
}

/** New tokens, and who of them sees whom. */
export interface NewTokens {
  readonly rows: number;
  /** Tokens per row, padding at the end included: S. */
  readonly length: number;
  /** [rows * length] */
  readonly inputIds: Int32Array;
  /** Position of each token in its text, [rows * length]. */
  readonly positionIds: Int32Array;
  /**
   * Number of the continuation that a token belongs to, [rows * length]; 0 for what they share. Continuations of one
   * row do not see each other. A token with a number below 0 is seen by none, itself included. Default: all 0.
   */
  readonly branchIds?: Int32Array;
}

/**
 * The additive attention mask of new tokens after a past of `pastLength` places, of which the first `filled[row]` hold
 * tokens: float32 [B, 1, S, P + S], 0 where the query (row) may see the key (column).
 */
export function createCacheMask(
  { rows, length, positionIds, branchIds }: NewTokens,
  pastLength: number,
  filled: Int32Array,
  slidingWindow = Number.POSITIVE_INFINITY,
): HostTensor {
  const keys = pastLength + length;
  const mask = new Float32Array(rows * length * keys).fill(hidden);
  for (let row = 0; row < rows; row++) {
    for (let query = 0; query < length; query++) {
      const first = positionIds[row * length + query]! - slidingWindow + 1;
      const offset = (row * length + query) * keys;
      if (first < filled[row]!) mask.fill(0, offset + Math.max(0, first), offset + filled[row]!);
      const branch = branchIds?.[row * length + query];
      for (let key = 0; key <= query; key++) {
        const index = row * length + key;
        const keyBranch = branchIds?.[index] ?? 0;
        if (keyBranch < 0 || (keyBranch > 0 && keyBranch !== branch)) continue;
        if (positionIds[index]! >= first) mask[offset + pastLength + key] = 0;
      }
    }
  }
  return float32(mask, [rows, 1, length, keys]);
}
