/** @file The GGUF format, versions 2 and 3: metadata and tensors, read by position. */

import { InputError } from "../errors.ts";
import type { ByteSource } from "./byte-source.ts";
import { type BlockType, blockTypes, dequantizeBlocks } from "./ggml-blocks.ts";
import { locateRows, quote, type TensorInfo, type WeightFile } from "./weight-file.ts";

export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

export interface GgufFile extends WeightFile {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** A value of the metadata as the file holds it: the number of its type, then its bytes. */
  readEncodedValue(key: string): Promise<Uint8Array>;
}

/** The letters GGUF. */
export const magic = 0x46554747;
export const defaultAlignment = 32;

/** GGUF's numbers of the types of metadata values: here those that are written, below all. */
export const valueTypes = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const;

/** Bytes of the types of fixed size: integers of 8 to 32 bits, float32, bool, integers of 64 bits and float64. */
const scalarBytes: Readonly<Record<number, number>> = {
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
/** The most that is read of each, far above what any model has. */
const maxTensors = 2 ** 20;
const maxKeys = 2 ** 16;
const maxTextBytes = 2 ** 26;
const maxArrayElements = 2 ** 24;
/** The format's own limits. */
export const maxKeyBytes = 65_535;
export const maxTensorNameBytes = 64;
const maxDimensions = 4;
/** Bytes that are read for the header, which real models' fit in; where one does not, four times as many, and so on. */
const headerBytes = 1 << 23;
/** Bytes of quantized blocks decoded at a time. */
const chunkBytes = 1 << 24;

/**
 * Opens a GGUF file, which closes its source when it is closed or not valid. Its metadata and list of tensors are read and
 * checked: each count and length against the bytes that are left in the file, before anything is allocated for it.
 *
 * @throws InputError if the file is damaged, truncated, or not GGUF of version 2 or 3 (little-endian).
 *
 * @example
 * const { openUrl } = await import("slimtune/web");
 * const file = await openGguf(await openUrl("https://example.org/model.gguf"));
 * console.log(file.metadata.get("general.name"), await file.readFloat32("output_norm.weight"));
 * file.close();
 */
export async function openGguf(source: ByteSource): Promise<GgufFile> {
  try {
    return createReader(source, await readHeader(source));
  } catch (error) {
    source.close();
    throw error;
  }
}

async function readHeader(source: ByteSource): Promise<Header> {
  for (let bytes = headerBytes; ; bytes *= 4) {
    const beginning = await source.read(0, Math.min(source.size, bytes));
    try {
      return parseHeader(new HeaderReader(beginning, source));
    } catch (error) {
      if (error !== needsMore) throw error;
    }
  }
}

interface Header {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** Where each value of the metadata stands in the file, with its type. */
  readonly places: ReadonlyMap<string, { readonly start: number; readonly end: number }>;
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>;
}

interface GgufTensorInfo extends TensorInfo {
  readonly type: BlockType;
}

/** Thrown where the header goes on behind what has been read of the file. */
const needsMore = new Error("The header is longer.");

/** Reads values one after the other, never beyond the end of the file. */
class HeaderReader {
  position = 0;
  readonly path: string;
  readonly size: number;
  readonly #beginning: Uint8Array<ArrayBuffer>;
  /** A text may begin with U+FEFF, as the token of that character does. */
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /** @param beginning of the file, as much as has been read */
  constructor(beginning: Uint8Array<ArrayBuffer>, { name, size }: ByteSource) {
    this.#beginning = beginning;
    this.path = name;
    this.size = size;
  }

  /** A view of the next `length` bytes, which are passed over. */
  take(length: number): DataView {
    if (length > this.size - this.position) this.fail("it ends in the middle of its header");
    if (this.position + length > this.#beginning.length) throw needsMore;
    const view = new DataView(this.#beginning.buffer, this.position, length);
    this.position += length;
    return view;
  }

  uint32(): number {
    return this.take(4).getUint32(0, true);
  }

  /** A number of 64 bits, the nearest that JavaScript has. */
  uint64(): number {
    return Number(this.take(8).getBigUint64(0, true));
  }

  /** A count of things that take at least `leastBytes` each in what is left of the file. */
  count(what: string, leastBytes: number, most: number): number {
    const count = this.uint64();
    if (count * leastBytes > this.size - this.position) {
      this.fail(`it announces ${count} ${what}, more than its ${this.size} bytes can hold`);
    }
    if (count > most) this.fail(`it announces ${count} ${what}, and ${most} are the most that are read`);
    return count;
  }

  text(what: string, mostBytes: number): string {
    return this.#decoder.decode(this.take(this.count(`bytes of ${what}`, 1, mostBytes)));
  }

  value(type: number, depth = 0): GgufValue {
    if (type === valueTypes.string) return this.text("text", maxTextBytes);
    if (type !== valueTypes.array) return readScalar(this.take(this.leastBytes(type)), type);
    if (depth === maxDepth) this.fail("its metadata has arrays nested too deeply");
    const elementType = this.uint32();
    const length = this.count("array elements", this.leastBytes(elementType), maxArrayElements);
    return Array.from({ length }, () => this.value(elementType, depth + 1));
  }

  /** The fewest bytes of a value: a text has its length before it, an array its elements' type and number. */
  leastBytes(type: number): number {
    if (type === valueTypes.string) return 8;
    if (type === valueTypes.array) return 12;
    return scalarBytes[type] ?? this.fail(`its metadata has a value of the unknown type ${type}`);
  }

  fail(reason: string): never {
    throw new InputError(`${this.path} is not a valid GGUF file: ${reason}; download it again.`);
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

function parseHeader(reader: HeaderReader): Header {
  if (reader.size < 24 || reader.uint32() !== magic) reader.fail("it does not begin with the letters GGUF");
  const version = reader.uint32();
  if (version !== 2 && version !== 3) {
    throw new InputError(
      `${reader.path} is GGUF of version ${version}, and only 2 and 3 (little-endian) are read; convert the model anew.`,
    );
  }
  // A tensor takes at least a name's length, a number of dimensions, a type and an offset; a key a length, a type and
  // a byte.
  const tensorCount = reader.count("tensors", 24, maxTensors);
  const keyCount = reader.count("metadata keys", 13, maxKeys);

  const metadata = new Map<string, GgufValue>();
  const places = new Map<string, { start: number; end: number }>();
  for (let i = 0; i < keyCount; i++) {
    const key = reader.text("a metadata key", maxKeyBytes);
    if (metadata.has(key)) reader.fail(`it has the metadata key ${quote(key)} twice`);
    const start = reader.position;
    metadata.set(key, reader.value(reader.uint32()));
    places.set(key, { start, end: reader.position });
  }
  const alignment = metadata.get("general.alignment") ?? defaultAlignment;
  if (typeof alignment !== "number" || alignment < 8 || alignment % 8 !== 0) {
    reader.fail("its general.alignment is not a multiple of 8");
  }

  const entries = new Map<string, TensorEntry>();
  for (let i = 0; i < tensorCount; i++) {
    const entry = readTensorEntry(reader);
    if (entries.has(entry.name)) reader.fail(`it has the tensor ${quote(entry.name)} twice`);
    entries.set(entry.name, entry);
  }
  const dataStart = Math.ceil(reader.position / alignment) * alignment;
  checkPlaces(entries, { alignment, dataBytes: reader.size - dataStart }, reader);
  const tensors = new Map<string, GgufTensorInfo>();
  for (const { offset, ...info } of entries.values()) {
    tensors.set(info.name, { ...info, byteOffset: dataStart + offset });
  }
  return { metadata, places, tensors };
}

/** A tensor as the header lists it. */
interface TensorEntry extends Omit<GgufTensorInfo, "byteOffset"> {
  /** From the start of the tensors' data. */
  readonly offset: number;
}

function readTensorEntry(reader: HeaderReader): TensorEntry {
  const name = reader.text("a tensor name", maxTensorNameBytes);
  const dimensions = reader.uint32();
  if (dimensions > maxDimensions) {
    reader.fail(`the tensor ${quote(name)} has ${dimensions} dimensions, more than ${maxDimensions}`);
  }
  const sizes = Array.from({ length: dimensions }, () => reader.uint64());
  const typeNumber = reader.uint32();
  const type = blockTypes.get(typeNumber);
  if (!type) {
    const known = [...blockTypes.values()].map((known) => known.name).join(", ");
    throw new InputError(
      `${reader.path}: the tensor ${quote(name)} is of ggml's type ${typeNumber}, which is not supported; choose a file with tensors of ${known}.`,
    );
  }
  const elements = sizes.reduce((product, size) => product * size, 1);
  if (![...sizes, elements].every(Number.isSafeInteger)) {
    reader.fail(`the tensor ${quote(name)} has the impossible sizes ${sizes.join(", ")}`);
  }
  if ((sizes[0] ?? 1) % type.blockElements !== 0) {
    reader.fail(
      `the rows of the tensor ${quote(name)} are no whole number of ${type.name}'s blocks of ${type.blockElements}`,
    );
  }
  return {
    name,
    dtype: type.name,
    type,
    // GGUF lists sizes from the innermost.
    shape: sizes.reverse(),
    offset: reader.uint64(),
    byteLength: (elements / type.blockElements) * type.blockBytes,
  };
}

/** Refuses tensors that are not aligned, reach beyond the end of the file, or overlap. */
function checkPlaces(
  entries: ReadonlyMap<string, TensorEntry>,
  { alignment, dataBytes }: { alignment: number; dataBytes: number },
  reader: HeaderReader,
): void {
  const inOrder = [...entries.values()].sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  let end = 0;
  for (const { name, offset, byteLength } of inOrder) {
    if (offset % alignment !== 0)
      reader.fail(`the tensor ${quote(name)} is not aligned to ${alignment} bytes`);
    if (offset + byteLength > dataBytes) {
      reader.fail(`the tensor ${quote(name)} reaches beyond its end, so it is truncated`);
    }
    if (offset < end) reader.fail(`the tensor ${quote(name)} overlaps the one before it`);
    end = offset + byteLength;
  }
}

function createReader(source: ByteSource, { metadata, places, tensors }: Header): GgufFile {
  const path = source.name;
  const find = (name: string): GgufTensorInfo => {
    const info = tensors.get(name);
    if (!info) throw new InputError(`${path} lacks the tensor ${quote(name)}.`);
    return info;
  };
  return {
    path,
    metadata,
    tensors,
    async readEncodedValue(key) {
      const place = places.get(key);
      if (!place) throw new InputError(`${path} lacks the metadata ${quote(key)}.`);
      return source.read(place.start, place.end);
    },
    async readBytes(name) {
      const { byteOffset, byteLength } = find(name);
      return source.read(byteOffset, byteOffset + byteLength);
    },
    async readFloat32(name, rows) {
      const { type } = find(name);
      const { byteOffset, byteLength } = locateRows(find(name), rows);
      const values = new Float32Array((byteLength / type.blockBytes) * type.blockElements);
      const step = Math.floor(chunkBytes / type.blockBytes) * type.blockBytes;
      for (let done = 0; done < byteLength; done += step) {
        const start = byteOffset + done;
        const bytes = await source.read(start, Math.min(start + step, byteOffset + byteLength));
        dequantizeBlocks(type, bytes, values.subarray((done / type.blockBytes) * type.blockElements));
      }
      return values;
    },
    close: () => source.close(),
  };
}
