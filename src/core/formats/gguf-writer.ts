/** @file Writing GGUF, version 3. */

import { writeInParts } from "../../node/files/write.ts";
import { InputError } from "../errors.ts";
import { type WritableType, writableTypes } from "../quantization/ggml-encoding.ts";
import { defaultAlignment, magic, maxKeyBytes, maxTensorNameBytes, valueTypes } from "./gguf.ts";
import { quote } from "./weight-file.ts";

/**
 * A value of the metadata: a number is written as uint32, lists as their elements say, and bytes as they are (the number
 * of a type and what follows it, as {@link GgufFile.readEncodedValue} gives them).
 */
export type GgufValueToWrite =
  | string
  | boolean
  | number
  | { readonly float32: number }
  | readonly string[]
  | Int32Array
  | Float32Array
  | Uint8Array;

export interface GgufTensorToWrite {
  readonly name: string;
  readonly type: keyof typeof writableTypes;
  /** Sizes in row-major order, as PyTorch gives them. */
  readonly shape: readonly number[];
  /** Gives the values when their turn comes. */
  readonly data: () => Float32Array | Promise<Float32Array>;
}

/** Values encoded at a time. */
const encodedValues = 2 ** 22;

/**
 * Writes a GGUF file, one tensor at a time, under a temporary name that is changed when it is whole.
 *
 * @throws InputError if a tensor does not have the values that its shape needs, has rows that are no whole blocks or
 * values that are no finite numbers or beyond its type's range, a name is too long for the format, or the disk does not take the file; then none is
 * left behind.
 */
export async function writeGguf(
  path: string,
  metadata: ReadonlyMap<string, GgufValueToWrite>,
  tensors: readonly GgufTensorToWrite[],
): Promise<void> {
  const values = [...metadata].flatMap(([key, value]) => [encodeName(key, maxKeyBytes), encodeValue(value)]);
  let offset = 0;
  const entries = tensors.flatMap(({ name, type, shape }) => {
    const entry = [
      // ggml ends the names that it keeps with a zero.
      encodeName(name, maxTensorNameBytes - 1),
      uint32(shape.length),
      // GGUF lists sizes from the innermost.
      ...[...shape].reverse().map(uint64),
      uint32(writableTypes[type].number),
      uint64(offset),
    ];
    offset += align(countBytes(name, writableTypes[type], shape));
    return entry;
  });
  const header = Buffer.concat([
    uint32(magic),
    uint32(3),
    uint64(tensors.length),
    uint64(metadata.size),
    ...values,
    ...entries,
  ]);

  await writeInParts(path, async (append) => {
    await append(header);
    await append(padding(header.length));
    for (const { name, type, shape, data } of tensors) {
      const tensor = await data();
      if (tensor.length !== countElements(shape)) {
        throw new InputError(
          `The tensor ${quote(name)} has ${tensor.length} values, but its shape needs ${countElements(shape)}.`,
        );
      }
      if (!tensor.every(Number.isFinite)) {
        throw new InputError(
          `The tensor ${quote(name)} has values that are no finite numbers; the model computes nothing with them.`,
        );
      }
      // Scales of blocks are in float16 too.
      if (type !== "F32" && tensor.some((value) => Math.abs(value) > 65_504)) {
        throw new InputError(
          `The tensor ${quote(name)} has values beyond float16's range; choose the type f32.`,
        );
      }
      for (let from = 0; from < tensor.length; from += encodedValues) {
        await append(writableTypes[type].encode(tensor.subarray(from, from + encodedValues)));
      }
      await append(padding(countBytes(name, writableTypes[type], shape)));
    }
  });
}

function countElements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function countBytes(name: string, type: WritableType, shape: readonly number[]): number {
  if (shape.at(-1)! % type.blockElements !== 0) {
    throw new InputError(
      `The rows of the tensor ${quote(name)} are no whole number of ${type.name}'s blocks of ${type.blockElements}.`,
    );
  }
  return (countElements(shape) / type.blockElements) * type.blockBytes;
}

function align(length: number): number {
  return Math.ceil(length / defaultAlignment) * defaultAlignment;
}

/** The zeros between `length` bytes and the next place for a tensor. */
function padding(length: number): Uint8Array {
  return new Uint8Array(align(length) - length);
}

function encodeName(name: string, mostBytes: number): Buffer {
  const bytes = text(name);
  if (bytes.length - 8 > mostBytes) {
    throw new InputError(`The name ${quote(name)} is longer than the ${mostBytes} bytes that GGUF allows.`);
  }
  return bytes;
}

/** The number of a value's type, and its bytes. */
function encodeValue(value: GgufValueToWrite): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (value instanceof Int32Array)
    return Buffer.concat([listOf(valueTypes.int32, value.length), bytesOf(value)]);
  if (value instanceof Float32Array)
    return Buffer.concat([listOf(valueTypes.float32, value.length), bytesOf(value)]);
  if (typeof value === "string") return Buffer.concat([uint32(valueTypes.string), text(value)]);
  if (typeof value === "boolean") return Buffer.concat([uint32(valueTypes.bool), Buffer.of(value ? 1 : 0)]);
  if (typeof value === "number") return Buffer.concat([uint32(valueTypes.uint32), uint32(value)]);
  if ("float32" in value)
    return Buffer.concat([uint32(valueTypes.float32), bytesOf(Float32Array.of(value.float32))]);
  return Buffer.concat([listOf(valueTypes.string, value.length), ...value.map(text)]);
}

/** What stands before the elements of a list. */
function listOf(type: number, length: number): Buffer {
  return Buffer.concat([uint32(valueTypes.array), uint32(type), uint64(length)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
