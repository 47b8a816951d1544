/** @file The block formats of ggml, as GGUF files hold them, to float32 with the rounding of ggml's own code. */

import { decodeBfloat16, decodeFloat16 } from "./float16.ts";

export interface BlockType {
  readonly name: string;
  readonly blockElements: number;
  readonly blockBytes: number;
  /** Decodes whole blocks. */
  readonly decode: (blocks: Uint8Array, values: Float32Array) => void;
}

const { fround } = Math;

/** float32 value of each binary16 number. */
const float16 = decodeFloat16(Uint16Array.from({ length: 65_536 }, (_, bits) => bits));

/** The value of the binary16 number at byte `at`. */
export function half(bytes: Uint8Array, at: number): number {
  return float16[bytes[at]! | (bytes[at + 1]! << 8)]!;
}

/** Numbers that are stored as they are. */
function plain(name: string, bytes: number, convert: (buffer: ArrayBuffer) => Float32Array): BlockType {
  return {
    name,
    blockElements: 1,
    blockBytes: bytes,
    decode: (blocks, values) => values.set(convert(blocks.slice().buffer)),
  };
}

/** A format whose blocks are decoded one by one, from byte `at` to value `to`. */
function blockwise(
  name: string,
  blockElements: number,
  blockBytes: number,
  decodeBlock: (bytes: Uint8Array, at: number, values: Float32Array, to: number) => void,
): BlockType {
  return {
    name,
    blockElements,
    blockBytes,
    decode(blocks, values) {
      for (let at = 0, to = 0; at < blocks.length; at += blockBytes, to += blockElements) {
        decodeBlock(blocks, at, values, to);
      }
    },
  };
}

/**
 * Blocks of 32 with a scale, perhaps a least value, and codes of 4 or 5 bits: the low nibbles of 16 bytes are the
 * first 16 codes, the high ones the others; the fifth bits, if any, stand before them.
 */
function legacy(name: string, { hasMin, hasFifthBit }: { hasMin: boolean; hasFifthBit: boolean }): BlockType {
  const fifthAt = hasMin ? 4 : 2;
  const codesAt = fifthAt + (hasFifthBit ? 4 : 0);
  const centre = hasMin ? 0 : hasFifthBit ? 16 : 8;
  return blockwise(name, 32, codesAt + 16, (bytes, at, values, to) => {
    const scale = half(bytes, at);
    const min = hasMin ? half(bytes, at + 2) : 0;
    for (let i = 0; i < 32; i++) {
      const byte = bytes[at + codesAt + (i & 15)]!;
      let code = i < 16 ? byte & 15 : byte >> 4;
      if (hasFifthBit) code |= ((bytes[at + fifthAt + (i >> 3)]! >> (i & 7)) & 1) << 4;
      const product = fround(scale * (code - centre));
      // Adding 0 would turn -0 into 0.
      values[to + i] = hasMin ? product + min : product;
    }
  });
}

/** The 6-bit scale or least value of one of eight groups, packed in twelve bytes from `at`. */
export function packedScale(bytes: Uint8Array, at: number, group: number, kind: 0 | 1): number {
  if (group < 4) return bytes[at + 4 * kind + group]! & 63;
  const low = bytes[at + 4 + group]!;
  return (kind === 0 ? low & 15 : low >> 4) | ((bytes[at + 4 * kind + group - 4]! >> 2) & 48);
}

/** Blocks of 256 in eight groups of 32, each with a scale and a least value of its own: Q4_K and Q5_K. */
function superBlock(name: string, hasFifthBit: boolean): BlockType {
  const codesAt = hasFifthBit ? 48 : 16;
  return blockwise(name, 256, codesAt + 128, (bytes, at, values, to) => {
    const scale = half(bytes, at);
    const leastScale = half(bytes, at + 2);
    for (let group = 0; group < 8; group++) {
      const groupScale = fround(scale * packedScale(bytes, at + 4, group, 0));
      const least = fround(leastScale * packedScale(bytes, at + 4, group, 1));
      const codes = at + codesAt + (group >> 1) * 32;
      const shift = (group & 1) * 4;
      for (let i = 0; i < 32; i++) {
        let code = (bytes[codes + i]! >> shift) & 15;
        if (hasFifthBit) code |= ((bytes[at + 16 + i]! >> group) & 1) << 4;
        values[to + group * 32 + i] = fround(groupScale * code) - least;
      }
    }
  });
}

const q8_0 = blockwise("Q8_0", 32, 34, (bytes, at, values, to) => {
  const scale = half(bytes, at);
  for (let i = 0; i < 32; i++) values[to + i] = scale * ((bytes[at + 2 + i]! << 24) >> 24);
});

/** Blocks of 256: 128 bytes of low nibbles, 64 of pairs of high bits, 16 signed scales, and the scale of these. */
const q6_K = blockwise("Q6_K", 256, 210, (bytes, at, values, to) => {
  const scale = half(bytes, at + 208);
  for (let i = 0; i < 256; i++) {
    const [part, row, column] = [i >> 7, (i >> 5) & 3, i & 31];
    const low = (bytes[at + part * 64 + (row & 1) * 32 + column]! >> ((row >> 1) * 4)) & 15;
    const high = (bytes[at + 128 + part * 32 + column]! >> (row * 2)) & 3;
    const groupScale = (bytes[at + 192 + (i >> 4)]! << 24) >> 24;
    values[to + i] = fround(scale * groupScale) * ((low | (high << 4)) - 32);
  }
});

const f32 = plain("F32", 4, (buffer) => new Float32Array(buffer));
const f16 = plain("F16", 2, (buffer) => decodeFloat16(new Uint16Array(buffer)));

/** The supported types by ggml's numbers. */
export const blockTypes: ReadonlyMap<number, BlockType> = new Map([
  [0, f32],
  [1, f16],
  [2, legacy("Q4_0", { hasMin: false, hasFifthBit: false })],
  [3, legacy("Q4_1", { hasMin: true, hasFifthBit: false })],
  [6, legacy("Q5_0", { hasMin: false, hasFifthBit: true })],
  [7, legacy("Q5_1", { hasMin: true, hasFifthBit: true })],
  [8, q8_0],
  [12, superBlock("Q4_K", false)],
  [13, superBlock("Q5_K", true)],
  [14, q6_K],
  [30, plain("BF16", 2, (buffer) => decodeBfloat16(new Uint16Array(buffer)))],
]);

/** Decodes whole blocks into the front of `values`. */
export function dequantizeBlocks(type: BlockType, blocks: Uint8Array, values: Float32Array): void {
  type.decode(blocks, values);
}
