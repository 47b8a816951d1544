/** @file Where graphs run: a device compiles a graph into a program, and a program maps tensors to tensors. */

import type { DType, Tensor, TensorData } from "../graph/tensor.ts";

/** A tensor's values in the memory of the JavaScript process, in row-major order. */
export interface HostTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: TensorData;
  /** Whether `data` always holds the same values, so that a device may keep them in its own memory. Default: they may change. */
  readonly isConstant?: boolean;
}

/** A matrix that is not in memory as a whole. */
export interface StoredMatrix {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Reads the rows from `start` to before `end`. */
  readRows(start: number, end: number): Promise<TensorData>;
}

/** A matrix of which some rows can be had without the others. */
export type RowMatrix = HostTensor | StoredMatrix;

/** A compiled graph. */
export interface Program {
  readonly inputNames: readonly string[];
  /**
   * Computes the outputs. `inputs` may hold more tensors than the program needs.
   *
   * @throws Error if an input is missing or the engine fails.
   */
  run(inputs: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>>;
  /** Frees the engine's memory. The program cannot be run afterwards. */
  release(): Promise<void>;
}

export interface Device {
  readonly name: string;
  /** Compiles the graph that computes `outputs`. Compiling is slow and leaks a little: compile few, run often. */
  compile(outputs: Readonly<Record<string, Tensor>>): Promise<Program>;
}

/**
 * @example
 * const matrix = float32(Float32Array.of(1, 2, 3, 4), [2, 2]);
 */
export function float32(data: Float32Array, dims: readonly number[]): HostTensor {
  return { dtype: "float32", dims, data };
}

/** A tensor whose values never change from now on. */
export function asConstant(tensor: HostTensor): HostTensor {
  return { ...tensor, isConstant: true };
}

/**
 * @example
 * const ids = int64(Int32Array.of(1, 2, 3), [1, 3]);
 */
export function int64(values: Int32Array, dims: readonly number[]): HostTensor {
  return { dtype: "int64", dims, data: BigInt64Array.from(values, BigInt) };
}
