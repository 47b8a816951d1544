/** @file Rows of matrices in JavaScript's memory: looked up in a table, and added back into one. */

import { decodeFloat16, encodeFloat16 } from "../formats/float16.ts";
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

/** The matrix with float32 `rows` in place of some of its own. Its `data` are put together whenever they are asked for. */
export function replaceRows(matrix: RowMatrix, indices: readonly number[], rows: Float32Array): RowMatrix {
  const { dtype, dims } = matrix;
  const width = dims.at(-1)!;
  const kept = dtype === "float16" ? encodeFloat16(rows) : rows;
  const readRows = (start: number, end: number) => {
    const values = rowsOf(matrix, start, end);
    const places = [...indices.entries()].filter(([, index]) => index >= start && index < end);
    if (places.length === 0) return values;
    const replaced = values.slice() as Float32Array | Uint16Array;
    for (const [place, index] of places)
      replaced.set(kept.subarray(place * width, (place + 1) * width), (index - start) * width);
    return replaced;
  };
  return {
    dtype,
    dims,
    readRows,
    get data() {
      return readRows(0, dims[0]!);
    },
  };
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

/**
 * The same for a matrix that has only some rows, those of `kept`: what belongs to others is left out.
 */
export function scatterAddSome(
  matrix: Float32Array,
  kept: readonly number[],
  indices: Int32Array,
  rows: Float32Array,
): void {
  const width = rows.length / indices.length;
  const places = new Map(kept.map((index, place) => [index, place]));
  for (const [i, index] of indices.entries()) {
    const place = places.get(index);
    if (place === undefined) continue;
    for (let j = 0; j < width; j++) matrix[place * width + j]! += rows[i * width + j]!;
  }
}
