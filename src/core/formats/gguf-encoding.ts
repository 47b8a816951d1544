/** @file Encoding GGUF, version 3. */

import { InputError } from "../errors.ts";
import { type WritableType, writableTypes } from "./ggml-encoding.ts";
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
 * A GGUF file in parts: its header, then the tensors, each asked for when its turn comes.
 *
 * @throws InputError if a tensor does not have the values that its shape needs, has rows that are no whole blocks or
 * values that are no finite numbers or beyond its type's range, or a name is too long for the format.
 *
 * @example
 * const tensor = { name: "a", type: "F32", shape: [2], data: () => Float32Array.of(1, 2) } as const;
 * for await (const part of encodeGguf(new Map([["general.name", "mine"]]), [tensor])) console.log(part.length);
 */
export async function* encodeGguf(
  metadata: ReadonlyMap<string, GgufValueToWrite>,
  tensors: readonly GgufTensorToWrite[],
): AsyncGenerator<Uint8Array> {
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
  const header = concatenate([
    uint32(magic),
    uint32(3),
    uint64(tensors.length),
    uint64(metadata.size),
    ...values,
    ...entries,
  ]);
  yield header;
  yield padding(header.length);
  for (const tensor of tensors) {
    const { name, type, shape } = tensor;
    const data = await readValues(tensor);
    for (let from = 0; from < data.length; from += encodedValues)
      yield writableTypes[type].encode(data.subarray(from, from + encodedValues));
    yield padding(countBytes(name, writableTypes[type], shape));
  }
}

async function readValues({ name, type, shape, data }: GgufTensorToWrite): Promise<Float32Array> {
  const values = await data();
  if (values.length !== countElements(shape)) {
    throw new InputError(
      `The tensor ${quote(name)} has ${values.length} values, but its shape needs ${countElements(shape)}.`,
    );
  }
  if (!values.every(Number.isFinite)) {
    throw new InputError(
      `The tensor ${quote(name)} has values that are no finite numbers; the model computes nothing with them.`,
    );
  }
  // Scales of blocks are in float16 too.
  if (type !== "F32" && values.some((value) => Math.abs(value) > 65_504)) {
    throw new InputError(`The tensor ${quote(name)} has values beyond float16's range; choose the type f32.`);
  }
  return values;
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

function encodeName(name: string, mostBytes: number): Uint8Array {
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
    return concatenate([listOf(valueTypes.int32, value.length), bytesOf(value)]);
  if (value instanceof Float32Array)
    return concatenate([listOf(valueTypes.float32, value.length), bytesOf(value)]);
  if (typeof value === "string") return concatenate([uint32(valueTypes.string), text(value)]);
  if (typeof value === "boolean") return concatenate([uint32(valueTypes.bool), Uint8Array.of(value ? 1 : 0)]);
  if (typeof value === "number") return concatenate([uint32(valueTypes.uint32), uint32(value)]);
  if ("float32" in value)
    return concatenate([uint32(valueTypes.float32), bytesOf(Float32Array.of(value.float32))]);
  return concatenate([listOf(valueTypes.string, value.length), ...value.map(text)]);
}

/** What stands before the elements of a list. */
function listOf(type: number, length: number): Uint8Array {
  return concatenate([uint32(valueTypes.array), uint32(type), uint64(length)]);
}

const utf8 = new TextEncoder();

function text(value: string): Uint8Array {
  const bytes = utf8.encode(value);
  return concatenate([uint64(bytes.length), bytes]);
}

function uint32(value: number): Uint8Array {
  if (value !== value >>> 0) throw new RangeError(`${value} is no integer of 32 bits without a sign.`);
  return bytesOf(Uint32Array.of(value));
}

function uint64(value: number): Uint8Array {
  return bytesOf(BigUint64Array.of(BigInt(value)));
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}
