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

/** Some of a tensor's rows, along its first axis. */
export interface RowRange {
  readonly start: number;
  readonly end: number;
}

/** An open file of tensors. Nothing but the tensor asked for is read. */
export interface WeightFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** A tensor's bytes as stored. */
  readBytes(name: string): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * A tensor's values, or those of some of its rows, as float32, decoded from whatever the file stores.
   *
   * @throws InputError if there is no such tensor or its type is not one of numbers with a fraction.
   */
  readFloat32(name: string, rows?: RowRange): Promise<Float32Array>;
  close(): void;
}

/** Whether all are finite numbers: one that is not makes the sum so too. */
export function areFinite(values: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return Number.isFinite(sum);
}

/** A name from a file in quotes for a message: on one line, without control characters, and not too long. */
export function quote(name: string): string {
  return JSON.stringify(name.length <= 100 ? name : `${name.slice(0, 100)}…`);
}

/** Where a tensor, or some of its rows, stands in the file. */
export function locateRows({ shape, byteOffset, byteLength }: TensorInfo, rows?: RowRange) {
  if (!rows) return { byteOffset, byteLength };
  const rowBytes = byteLength / shape[0]!;
  return { byteOffset: byteOffset + rows.start * rowBytes, byteLength: (rows.end - rows.start) * rowBytes };
}
