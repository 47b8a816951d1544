/** @file Which tokens of a batch see each other. */

import type { TokenBatch } from "../data/batch.ts";
import { float32, type HostTensor } from "../runtime/device.ts";

/** Added to a score, it makes the softmax's weight exactly zero, and leaves the score finite. */
const hidden = -1e30;

/**
 * The additive attention masks of `chunks` equal chunks of the queries, float32 [B, 1, C, (i + 1) C] with C = S / chunks:
 * 0 where the query (row) may see the key (column), which is in the same packed example, not later, and less than
 * `slidingWindow` positions before it.
 */
export function createAttentionMasks(
  { rows, length, segmentIds }: TokenBatch,
  chunks: number,
  slidingWindow = Number.POSITIVE_INFINITY,
): HostTensor[] {
  const size = length / chunks;
  return Array.from({ length: chunks }, (_, chunk) => {
    const keys = (chunk + 1) * size;
    const mask = new Float32Array(rows * size * keys).fill(hidden);
    for (let row = 0; row < rows; row++) {
      for (let query = chunk * size; query < keys; query++) {
        const segment = segmentIds[row * length + query];
        const offset = (row * size + query - chunk * size) * keys;
        const first = Math.max(0, query - slidingWindow + 1);
        for (let key = query; key >= first && segmentIds[row * length + key] === segment; key--)
          mask[offset + key] = 0;
      }
    }
    return float32(mask, [rows, 1, size, keys]);
  });
}
