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

/**
 * A tensor in the memory of a device that has one of its own. It can be given to every program of the device. Whoever was given it frees
 * it; nothing else does.
 */
export interface DeviceTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Copies its values to JavaScript's memory. */
  read(): Promise<HostTensor>;
  dispose(): void;
}

export type AnyTensor = HostTensor | DeviceTensor;

/** A matrix that is not in memory as a whole. */
export interface StoredMatrix {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Reads the rows from `start` to before `end`. */
  readRows(start: number, end: number): Promise<TensorData>;
}

/** A matrix of which some rows can be had without the others. */
export type RowMatrix = HostTensor | StoredMatrix;

/** A compiled graph. @template Result what its outputs are: of programs that keep some of them, either kind of tensor */
export interface Program<Result extends AnyTensor = HostTensor> {
  readonly inputNames: readonly string[];
  /**
   * Computes the outputs. `inputs` may hold more tensors than the program needs.
   *
   * @throws Error if an input is missing or the engine fails.
   */
  run(inputs: Readonly<Record<string, AnyTensor>>): Promise<Record<string, Result>>;
  /** Frees the engine's memory. The program cannot be run afterwards. */
  release(): Promise<void>;
}

export interface Device {
  readonly name: string;
  /** Compiles the graph that computes `outputs`. Compiling is slow and leaks a little: compile few, run often. */
  compile(outputs: Readonly<Record<string, Tensor>>): Promise<Program>;
  /** The same, of whose outputs those that `keeps` names stay in the device's memory. Default: it has none of its own. */
  compileKeeping?(
    outputs: Readonly<Record<string, Tensor>>,
    keeps: (name: string) => boolean,
  ): Promise<Program<AnyTensor>>;
  /** There where `compileKeeping` is. */
  readonly operations?: DeviceOperations;
  /** How many of so many bytes a tensor may take. Default: all, as far as there is memory. */
  tensorLimit?(bytes: number): Promise<number>;
}

/** What a device does with float32 tensors in its memory. */
export interface DeviceOperations {
  upload(tensor: HostTensor): Promise<DeviceTensor>;
  /** The sum of two tensors of one shape, which are freed. */
  add(a: DeviceTensor, b: DeviceTensor): Promise<DeviceTensor>;
  /** Rows [N, H] of a tensor [B, S, H] at flat positions. */
  rowsAt(x: DeviceTensor, positions: Int32Array): Promise<DeviceTensor>;
  /** `rows` added at flat positions to `sum`, both of which are freed; undefined stands for zeros of the shape [B, S, H] of `like`. */
  addRows(
    sum: DeviceTensor | undefined,
    like: DeviceTensor,
    positions: Int32Array,
    rows: DeviceTensor,
  ): Promise<DeviceTensor>;
}

export function isOnDevice(tensor: AnyTensor): tensor is DeviceTensor {
  return "dispose" in tensor;
}

/** Frees a tensor, where it is one of a device. */
export function free(tensor: AnyTensor | undefined): void {
  if (tensor && isOnDevice(tensor)) tensor.dispose();
}

/** The values of a float32 tensor in JavaScript's memory. */
export function valuesOf(tensor: AnyTensor): Float32Array {
  return (tensor as HostTensor).data as Float32Array;
}

/** The values of a float32 tensor, wherever they are. */
export async function readValues(tensor: AnyTensor): Promise<Float32Array> {
  return valuesOf(isOnDevice(tensor) ? await tensor.read() : tensor);
}

/** The same of a tensor that is freed. */
export async function takeValues(tensor: AnyTensor): Promise<Float32Array> {
  return valuesOf(await take(tensor));
}

/** The tensor in JavaScript's memory; one of a device is freed. */
export async function take(tensor: AnyTensor): Promise<HostTensor> {
  if (!isOnDevice(tensor)) return tensor;
  const values = await tensor.read();
  tensor.dispose();
  return values;
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
