/** @file Rows of matrices in JavaScript's memory: looked up in a table, and added back into one. */

import { decodeFloat16, encodeFloat16 } from "../formats/float16.ts";
import type { TensorData } from "../graph/tensor.ts";
import { asConstant, type HostTensor, type RowMatrix, type StoredMatrix } from "../runtime/device.ts";

export function addTo(sum: Float32Array | Float64Array, values: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += values[i]!;
}

/** Arrays, one after the other. */
export function concatenate(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}

/** Rows of a matrix [rows, width], as they are kept. */
export async function rowsOf(matrix: RowMatrix, start: number, end: number): Promise<TensorData> {
  if ("readRows" in matrix) return matrix.readRows(start, end);
  const width = matrix.dims.at(-1)!;
  return matrix.data.subarray(start * width, end * width);
}

const constantSlices = new WeakMap<TensorData, Map<string, HostTensor>>();

/** Rows of a matrix as one of their own; of a constant one the same tensor each time, so that a device can keep it. */
export async function sliceRows(matrix: RowMatrix, start: number, end: number): Promise<HostTensor> {
  const { dtype, dims } = matrix;
  const slice = async () => ({
    dtype,
    dims: [end - start, ...dims.slice(1)],
    data: await rowsOf(matrix, start, end),
  });
  if ("readRows" in matrix || !matrix.isConstant) return slice();
  const known = constantSlices.get(matrix.data) ?? new Map<string, HostTensor>();
  constantSlices.set(matrix.data, known);
  const key = `${start} ${end}`;
  const tensor = known.get(key) ?? asConstant(await slice());
  known.set(key, tensor);
  return tensor;
}

/** All of a matrix, in memory. */
export async function wholeOf(matrix: RowMatrix): Promise<HostTensor> {
  if (!("readRows" in matrix)) return matrix;
  const { dtype, dims } = matrix;
  return { dtype, dims, data: await matrix.readRows(0, dims[0]!) };
}

/** The matrix with float32 `rows` in place of some of its own, put in whenever they are read. */
export function replaceRows(matrix: RowMatrix, indices: readonly number[], rows: Float32Array): StoredMatrix {
  const { dtype, dims } = matrix;
  const width = dims.at(-1)!;
  const kept = dtype === "float16" ? encodeFloat16(rows) : rows;
  return {
    dtype,
    dims,
    async readRows(start, end) {
      const values = await rowsOf(matrix, start, end);
      const places = [...indices.entries()].filter(([, index]) => index >= start && index < end);
      if (places.length === 0) return values;
      const replaced = values.slice() as Float32Array | Uint16Array;
      for (const [place, index] of places)
        replaced.set(kept.subarray(place * width, (place + 1) * width), (index - start) * width);
      return replaced;
    },
  };
}

/** Rows of a matrix [..., width], as float32. */
export function gatherRows({ dims, data }: HostTensor, indices: Int32Array): Float32Array {
  const width = dims.at(-1)!;
  const rows = new Float32Array(indices.length * width);
  for (const [i, index] of indices.entries())
    rows.set(asFloat32(data.subarray(index * width, (index + 1) * width)), i * width);
  return rows;
}

/** The same of a table [rows, width] that may not be in memory. */
export async function lookUpRows(table: RowMatrix, indices: Int32Array): Promise<Float32Array> {
  if (!("readRows" in table)) return gatherRows(table, indices);
  const width = table.dims.at(-1)!;
  const rows = new Float32Array(indices.length * width);
  for (const [i, index] of indices.entries())
    rows.set(asFloat32(await table.readRows(index, index + 1)), i * width);
  return rows;
}

/** Values kept in float32 or float16. */
export function asFloat32(values: TensorData): Float32Array {
  return values instanceof Uint16Array ? decodeFloat16(values) : (values as Float32Array);
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
