/** @file GGUF files for tests, right or wrong, byte by byte. */

/** A metadata value with its type's number. Of an array, the elements' type goes before them. */
export type Typed = readonly [type: number, value: number | bigint | string | TypedElements];
export interface TypedElements {
  readonly type: number;
  readonly values: readonly (number | bigint | string | TypedElements)[];
  /** The number that is announced. Default: the true one. */
  readonly count?: bigint;
}

export interface TensorParts {
  readonly name: string;
  /** Sizes from the innermost, as GGUF lists them. */
  readonly sizes: readonly (number | bigint)[];
  readonly type: number;
  readonly data: Uint8Array;
  /** Default: behind the tensor before it, aligned to 32. */
  readonly offset?: number | bigint;
}

export interface GgufParts {
  readonly magic?: string;
  readonly version?: number;
  readonly metadata?: readonly (readonly [key: string, value: Typed])[];
  readonly tensors?: readonly TensorParts[];
  /** The numbers that are announced. Default: the true ones. */
  readonly tensorCount?: bigint;
  readonly keyCount?: bigint;
}

const alignment = 32;

/** The bytes of a GGUF file of the given parts, which are not checked. */
export function buildGguf(parts: GgufParts): Buffer {
  const { magic = "GGUF", version = 3, metadata = [], tensors = [] } = parts;
  const header = [
    Buffer.from(magic),
    uint32(version),
    uint64(parts.tensorCount ?? BigInt(tensors.length)),
    uint64(parts.keyCount ?? BigInt(metadata.length)),
    ...metadata.flatMap(([key, [type, value]]) => [text(key), uint32(type), encode(type, value)]),
  ];
  const data: Buffer[] = [];
  let dataLength = 0;
  for (const tensor of tensors) {
    header.push(
      text(tensor.name),
      uint32(tensor.sizes.length),
      ...tensor.sizes.map((size) => uint64(BigInt(size))),
      uint32(tensor.type),
      uint64(BigInt(tensor.offset ?? dataLength)),
    );
    const padded = pad(Buffer.from(tensor.data));
    data.push(padded);
    dataLength += padded.length;
  }
  return Buffer.concat([pad(Buffer.concat(header)), ...data]);
}

function encode(type: number, value: Typed[1]): Buffer {
  if (typeof value === "string") return text(value);
  if (typeof value === "object") {
    const { values, count = BigInt(values.length) } = value;
    return Buffer.concat([
      uint32(value.type),
      uint64(count),
      ...values.map((element) => encode(value.type, element)),
    ]);
  }
  const bytes = Buffer.alloc(8);
  const number = Number(value);
  switch (type) {
    case 0:
    case 7:
      bytes.writeUInt8(number);
      return bytes.subarray(0, 1);
    case 1:
      bytes.writeInt8(number);
      return bytes.subarray(0, 1);
    case 2:
      bytes.writeUInt16LE(number);
      return bytes.subarray(0, 2);
    case 3:
      bytes.writeInt16LE(number);
      return bytes.subarray(0, 2);
    case 5:
      bytes.writeInt32LE(number);
      return bytes.subarray(0, 4);
    case 6:
      bytes.writeFloatLE(number);
      return bytes.subarray(0, 4);
    // Of a text, a number is its length, with nothing behind it.
    case 8:
    case 10:
      return uint64(BigInt(value));
    case 11:
      bytes.writeBigInt64LE(BigInt(value));
      return bytes;
    case 12:
      bytes.writeDoubleLE(number);
      return bytes;
    default:
      return uint32(number);
  }
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint64(BigInt(bytes.length)), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

function pad(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((alignment - (bytes.length % alignment)) % alignment)]);
}
