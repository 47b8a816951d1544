/** @file The GGUF format, versions 2 and 3: metadata and tensors, read by position. */

import { closeSync, fstatSync, openSync } from "node:fs";
import { InputError } from "../errors.ts";
import { type BlockType, blockTypes, dequantizeBlocks } from "../quantization/ggml-blocks.ts";
import { readAt } from "./safetensors.ts";
import type { TensorInfo, WeightFile } from "./weight-file.ts";

export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

export interface GgufFile extends WeightFile {
  readonly metadata: ReadonlyMap<string, GgufValue>;
}

/** GGUF's types of metadata values. */
const stringType = 8;
const arrayType = 9;

/** Bytes of the types of fixed size. */
const valueBytes: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};

/** Deepest nesting of arrays; real files have none. */
const maxDepth = 4;
const maxDimensions = 4;
/** Bytes of the header read at a time. */
const windowBytes = 1 << 20;
/** Bytes of quantized blocks decoded at a time. */
const chunkBytes = 1 << 24;

/**
 * Opens a GGUF file. Its metadata and list of tensors are read and checked: each count and length against the bytes
 * that are left in the file, before anything is allocated for it.
 *
 * @throws InputError if the file is missing, damaged, truncated, or not GGUF of version 2 or 3 (little-endian).
 */
export function openGguf(path: string): GgufFile {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch {
    throw new InputError(`${path} cannot be opened for reading; check that it exists.`);
  }
  try {
    const { metadata, tensors } = readHeader(descriptor, path);
    return createReader(descriptor, path, metadata, tensors);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

interface GgufTensorInfo extends TensorInfo {
  readonly type: BlockType;
}

/** Reads values one after the other, never beyond the end of the file. */
class HeaderReader {
  position = 0;
  readonly size: number;
  #window = new DataView(new ArrayBuffer(0));
  #windowStart = 0;
  readonly #descriptor: number;
  readonly #path: string;

  constructor(descriptor: number, path: string) {
    this.#descriptor = descriptor;
    this.#path = path;
    this.size = fstatSync(descriptor).size;
  }

  /** A view of the next `length` bytes, which are passed over. */
  take(length: number): DataView {
    if (length > this.size - this.position) this.fail("it ends in the middle of the header");
    const offset = this.position - this.#windowStart;
    if (offset < 0 || offset + length > this.#window.byteLength) {
      const bytes = Math.min(this.size - this.position, Math.max(length, windowBytes));
      this.#window = new DataView(readAt(this.#descriptor, this.position, bytes, this.#path).buffer);
      this.#windowStart = this.position;
    }
    const start = this.position - this.#windowStart;
    this.position += length;
    return new DataView(this.#window.buffer, start, length);
  }

  uint32(): number {
    return this.take(4).getUint32(0, true);
  }

  /** A count of things that take at least `leastBytes` each in what is left of the file. */
  count(what: string, leastBytes: number): number {
    const value = this.take(8).getBigUint64(0, true);
    if (value * BigInt(leastBytes) > BigInt(this.size - this.position)) {
      this.fail(`it announces ${value} ${what}, more than its ${this.size} bytes can hold`);
    }
    return Number(value);
  }

  text(): string {
    const { buffer, byteOffset, byteLength } = this.take(this.count("characters", 1));
    return new TextDecoder().decode(new Uint8Array(buffer, byteOffset, byteLength));
  }

  value(type: number, depth = 0): GgufValue {
    if (type === stringType) return this.text();
    if (type === arrayType) {
      if (depth === maxDepth) this.fail("its metadata has arrays nested too deeply");
      const elementType = this.uint32();
      const least = elementType === stringType ? 8 : elementType === arrayType ? 12 : valueBytes[elementType];
      if (least === undefined) this.fail(`its metadata has a value of the unknown type ${elementType}`);
      const length = this.count("array elements", least!);
      return Array.from({ length }, () => this.value(elementType, depth + 1));
    }
    const bytes = valueBytes[type];
    if (bytes === undefined) this.fail(`its metadata has a value of the unknown type ${type}`);
    return readScalar(this.take(bytes!), type);
  }

  fail(reason: string): never {
    throw new InputError(`${this.#path} is not a valid GGUF file: ${reason}; download it again.`);
  }
}

function readScalar(view: DataView, type: number): number | bigint | boolean {
  switch (type) {
    case 0:
      return view.getUint8(0);
    case 1:
      return view.getInt8(0);
    case 2:
      return view.getUint16(0, true);
    case 3:
      return view.getInt16(0, true);
    case 4:
      return view.getUint32(0, true);
    case 5:
      return view.getInt32(0, true);
    case 6:
      return view.getFloat32(0, true);
    case 7:
      return view.getUint8(0) !== 0;
    case 10:
      return view.getBigUint64(0, true);
    case 11:
      return view.getBigInt64(0, true);
    default:
      return view.getFloat64(0, true);
  }
}

function readHeader(descriptor: number, path: string) {
  const reader = new HeaderReader(descriptor, path);
  if (reader.size < 24 || reader.uint32() !== 0x46554747)
    reader.fail("it does not begin with the letters GGUF");
  const version = reader.uint32();
  if (version !== 2 && version !== 3)
    reader.fail(`its version is ${version}, and only 2 and 3 (little-endian) are read`);
  // A tensor takes at least a name's length, a number of dimensions, a type and an offset; a key a length and a type.
  const tensorCount = reader.count("tensors", 24);
  const keyCount = reader.count("metadata keys", 13);

  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = reader.text();
    if (metadata.has(key)) reader.fail(`it has the metadata key "${key}" twice`);
    metadata.set(key, reader.value(reader.uint32()));
  }
  const alignment = metadata.get("general.alignment") ?? 32;
  if (typeof alignment !== "number" || alignment < 8 || alignment % 8 !== 0) {
    reader.fail(`its alignment is ${String(alignment)}, which is no multiple of 8`);
  }

  const listed = Array.from({ length: tensorCount }, () => readTensorEntry(reader));
  const dataStart = Math.ceil(reader.position / (alignment as number)) * (alignment as number);
  const tensors = new Map<string, GgufTensorInfo>();
  for (const { name, offset, ...entry } of listed) {
    if (tensors.has(name)) reader.fail(`it has the tensor "${name}" twice`);
    if (offset % (alignment as number) !== 0) reader.fail(`the tensor "${name}" is not aligned`);
    if (dataStart + offset + entry.byteLength > reader.size) {
      reader.fail(`the tensor "${name}" reaches beyond its end, so the file is truncated`);
    }
    tensors.set(name, { name, byteOffset: dataStart + offset, ...entry });
  }
  return { metadata, tensors };
}

function readTensorEntry(reader: HeaderReader) {
  const name = reader.text();
  const dimensions = reader.uint32();
  if (dimensions > maxDimensions) reader.fail(`the tensor "${name}" has ${dimensions} dimensions`);
  const sizes = Array.from({ length: dimensions }, () => Number(reader.take(8).getBigUint64(0, true)));
  const typeNumber = reader.uint32();
  const type = blockTypes.get(typeNumber);
  if (!type) {
    const known = [...blockTypes.values()].map((known) => known.name).join(", ");
    reader.fail(
      `the tensor "${name}" is of the type ${typeNumber}, which is not supported (supported are ${known})`,
    );
  }
  const elements = sizes.reduce((product, size) => product * size, 1);
  const { blockElements, blockBytes } = type!;
  if (!Number.isSafeInteger(elements) || (sizes[0] ?? 1) % blockElements !== 0) {
    reader.fail(`the tensor "${name}" of ${type!.name} has the impossible sizes [${sizes.join(", ")}]`);
  }
  const offset = Number(reader.take(8).getBigUint64(0, true));
  // GGUF lists sizes from the innermost.
  const shape = sizes.reverse();
  return {
    name,
    dtype: type!.name,
    type: type!,
    shape,
    offset,
    byteLength: (elements / blockElements) * blockBytes,
  };
}

function createReader(
  descriptor: number,
  path: string,
  metadata: ReadonlyMap<string, GgufValue>,
  tensors: ReadonlyMap<string, GgufTensorInfo>,
): GgufFile {
  const find = (name: string): GgufTensorInfo => {
    const info = tensors.get(name);
    if (!info) throw new InputError(`${path} lacks the tensor "${name}".`);
    return info;
  };
  return {
    path,
    metadata,
    tensors,
    readBytes(name) {
      const { byteOffset, byteLength } = find(name);
      return readAt(descriptor, byteOffset, byteLength, path);
    },
    readFloat32(name) {
      const { byteOffset, byteLength, type } = find(name);
      const values = new Float32Array((byteLength / type.blockBytes) * type.blockElements);
      const step = Math.floor(chunkBytes / type.blockBytes) * type.blockBytes;
      for (let done = 0; done < byteLength; done += step) {
        const bytes = readAt(descriptor, byteOffset + done, Math.min(step, byteLength - done), path);
        dequantizeBlocks(type, bytes, values.subarray((done / type.blockBytes) * type.blockElements));
      }
      return values;
    },
    close: () => closeSync(descriptor),
  };
}
