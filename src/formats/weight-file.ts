/** @file What every file of weights offers: named tensors, read by position. */

export interface TensorInfo {
  readonly name: string;
  /** The format's own name of the element type, such as "BF16" or "Q4_K". */
  readonly dtype: string;
  /** Sizes in row-major order, as PyTorch gives them. */
  readonly shape: readonly number[];
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** An open file of tensors. Nothing but the tensor asked for is read. */
export interface WeightFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** A tensor's bytes as stored. */
  readBytes(name: string): Uint8Array;
  /**
   * A tensor's values as float32, decoded from whatever the file stores.
   *
   * @throws InputError if there is no such tensor or its type is not one of numbers with a fraction.
   */
  readFloat32(name: string): Float32Array;
  close(): void;
}

/** A name from a file in quotes for a message: on one line, without control characters, and not too long. */
export function quote(name: string): string {
  return JSON.stringify(name.length <= 100 ? name : `${name.slice(0, 100)}…`);
}
