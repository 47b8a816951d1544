/** @file Rows of matrices in JavaScript's memory: looked up in a table, and added back into one. */

import type { ModelConfig } from "../architectures/architecture.ts";
import { decodeFloat16 } from "../formats/float16.ts";
import type { TensorData } from "../graph/tensor.ts";
import type { RowMatrix } from "../runtime/device.ts";

export function addTo(sum: Float32Array, values: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += values[i]!;
}

/** Rows of a matrix [rows, width], as they are kept. */
export function rowsOf(matrix: RowMatrix, start: number, end: number): TensorData {
  if (matrix.readRows) return matrix.readRows(start, end);
  const width = matrix.dims.at(-1)!;
  return matrix.data.subarray(start * width, end * width);
}

/** Rows of a matrix [..., width], as float32. */
export function gatherRows(matrix: RowMatrix, indices: Int32Array): Float32Array {
  const width = matrix.dims.at(-1)!;
  const rows = new Float32Array(indices.length * width);
  for (const [i, index] of indices.entries()) {
    const row = rowsOf(matrix, index, index + 1);
    rows.set(row instanceof Uint16Array ? decodeFloat16(row) : (row as Float32Array), i * width);
  }
  return rows;
}

/** The embedding of tokens, float32 [tokens, hiddenSize], with the factor that the model gives it. */
export function embedTokens(
  { embeddingScale }: ModelConfig,
  embedding: RowMatrix,
  inputIds: Int32Array,
): Float32Array {
  const rows = gatherRows(embedding, inputIds);
  if (embeddingScale !== undefined) multiplyBy(rows, embeddingScale);
  return rows;
}

/** Multiplies in place. */
export function multiplyBy(values: Float32Array, factor: number): void {
  for (let i = 0; i < values.length; i++) values[i]! *= factor;
}

/** Adds row i of `rows` to row `indices[i]` of `matrix`, in that order. */
export function scatterAddRows(matrix: Float32Array, indices: Int32Array, rows: Float32Array): void {
  const width = rows.length / indices.length;
  for (const [i, index] of indices.entries()) {
    const offset = index * width;
    for (let j = 0; j < width; j++) matrix[offset + j]! += rows[i * width + j]!;
  }
}
