/** @file The order of the rows of query and key projections, where llama.cpp keeps them otherwise than Hugging Face. */

import type { ModelConfig, TensorConversion } from "./architecture.ts";

/**
 * Some architectures of llama.cpp keep the two elements that the rotary embedding turns together next to each other, Hugging Face
 * the two halves of a head apart. Weights and biases of query and key projections are kept so.
 */
export function interleavedProjections(name: string, config: ModelConfig): TensorConversion | undefined {
  const { headDim, numAttentionHeads, numKeyValueHeads } = config;
  const heads = name.includes("q_proj")
    ? numAttentionHeads
    : name.includes("k_proj")
      ? numKeyValueHeads
      : undefined;
  if (heads === undefined) return undefined;
  return {
    toHuggingFace: (values) => separateHalves(values, heads, headDim),
    toGguf: (values) => interleaveHalves(values, heads, headDim),
  };
}

/**
 * Puts rows from GGUF's order into Hugging Face's.
 *
 * @param rows [heads * headDim, width], or a bias with width 1
 */
export function separateHalves(rows: Float32Array, heads: number, headDim: number): Float32Array {
  const half = headDim / 2;
  return reorderRows(rows, heads, headDim, (to) => 2 * (to % half) + Math.floor(to / half));
}

/** Puts rows from Hugging Face's order into GGUF's; the inverse of {@link separateHalves}. */
export function interleaveHalves(rows: Float32Array, heads: number, headDim: number): Float32Array {
  const half = headDim / 2;
  return reorderRows(rows, heads, headDim, (to) => half * (to % 2) + Math.floor(to / 2));
}

/** Fills each row of a head from the row that `from` names. */
function reorderRows(
  rows: Float32Array,
  heads: number,
  headDim: number,
  from: (to: number) => number,
): Float32Array {
  const width = rows.length / (heads * headDim);
  const ordered = new Float32Array(rows.length);
  for (let head = 0; head < heads; head++) {
    for (let to = 0; to < headDim; to++) {
      const start = (head * headDim + from(to)) * width;
      ordered.set(rows.subarray(start, start + width), (head * headDim + to) * width);
    }
  }
  return ordered;
}
