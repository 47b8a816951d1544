/** @file Which tokens of a batch see each other. */

import type { TokenBatch } from "../data/batch.ts";
import { float32, type HostTensor } from "../runtime/device.ts";

/** Added to a score, it makes the softmax's weight exactly zero, and leaves the score finite. */
const hidden = -1e30;

/**
 * The additive attention mask float32 [B, 1, 1, S, S]: 0 where the query (row) may see the key (column), which is
 * in the same packed example, not later, and less than `slidingWindow` positions before it.
 */
export function createAttentionMask(
  { rows, length, segmentIds }: TokenBatch,
  slidingWindow = Number.POSITIVE_INFINITY,
): HostTensor {
  const mask = new Float32Array(rows * length * length).fill(hidden);
  for (let row = 0; row < rows; row++) {
    for (let query = 0; query < length; query++) {
      const segment = segmentIds[row * length + query];
      const offset = (row * length + query) * length;
      const first = Math.max(0, query - slidingWindow + 1);
      for (let key = query; key >= first && segmentIds[row * length + key] === segment; key--)
        mask[offset + key] = 0;
    }
  }
  return float32(mask, [rows, 1, 1, length, length]);
}
