/**
 * @file Float32 to the block formats of ggml. Each code and scale is the one that llama.cpp's quantizer finds on a processor
 * without fused multiply-adds: every operation is rounded to float32, in its order.
 */

import { encodeFloat16, encodeFloat16Number } from "./float16.ts";
import { type BlockType, blockTypes, half, packedScale } from "./ggml-blocks.ts";

/** A type that is written as well as read. */
export interface WritableType extends BlockType {
  /** ggml's number of it. */
  readonly number: number;
  /** Encodes whole blocks of finite values. */
  readonly encode: (values: Float32Array) => Uint8Array;
}

/** Encodes the block's values from `from` on into the bytes from `at` on, which are zeros. */
type EncodeBlock = (values: Float32Array, from: number, blocks: Uint8Array, at: number) => void;

const { abs, floor, fround, max, min, sqrt } = Math;

export const writableTypes = {
  F32: plain(0, (values) => values),
  F16: plain(1, encodeFloat16),
  Q4_0: blockwise(2, (...places) => encodeSigned(8, ...places)),
  Q5_0: blockwise(6, (...places) => encodeSigned(16, ...places)),
  Q5_1: blockwise(7, encodeQ5_1),
  Q8_0: blockwise(8, encodeQ8_0),
  Q4_K: blockwise(12, (...places) => encodeSuperBlock(q4_K, ...places)),
  Q5_K: blockwise(13, (...places) => encodeSuperBlock(q5_K, ...places)),
  Q6_K: blockwise(14, encodeQ6_K),
} as const satisfies Record<string, WritableType>;

export type WritableTypeName = keyof typeof writableTypes;

function plain(number: number, convert: (values: Float32Array) => ArrayBufferView): WritableType {
  const encode = (values: Float32Array) => {
    const { buffer, byteOffset, byteLength } = convert(values);
    return new Uint8Array(buffer, byteOffset, byteLength);
  };
  return { ...blockTypes.get(number)!, number, encode };
}

function blockwise(number: number, encodeBlock: EncodeBlock): WritableType {
  const type = blockTypes.get(number)!;
  const encode = (values: Float32Array) => {
    const blocks = new Uint8Array((values.length / type.blockElements) * type.blockBytes);
    for (let from = 0, at = 0; from < values.length; from += type.blockElements, at += type.blockBytes) {
      encodeBlock(values, from, blocks, at);
    }
    return blocks;
  };
  return { ...type, number, encode };
}

/** Stores the nearest binary16 number. */
function storeHalf(bytes: Uint8Array, at: number, value: number): void {
  const bits = encodeFloat16Number(value);
  bytes[at] = bits & 255;
  bytes[at + 1] = bits >> 8;
}

/** Reciprocal in float32; of 0 it is 0. */
function invert(scale: number): number {
  return scale === 0 ? 0 : fround(1 / scale);
}

const oneValue = new Float32Array(1);
const oneWord = new Int32Array(oneValue.buffer);

/** The nearest whole number, ties to even: what is left of the fraction's bits where their unit is 1. */
function nearest(value: number): number {
  oneValue[0] = value + 12_582_912;
  return (oneWord[0]! & 0x7fffff) - 0x400000;
}

/** Stores 32 codes of 4 or 5 bits as {@link blockTypes}' formats without super-blocks have them. */
function storeCodes(blocks: Uint8Array, at: number, fifthAt: number | undefined): void {
  for (let i = 0; i < 16; i++) blocks[at + i] = (codes[i]! & 15) | ((codes[i + 16]! & 15) << 4);
  if (fifthAt === undefined) return;
  for (let i = 0; i < 32; i++) blocks[fifthAt + (i >> 3)]! |= (codes[i]! >> 4) << (i & 7);
}

/** Codes around `centre`, under the scale that makes the value of largest magnitude the lowest code: Q4_0 and Q5_0. */
function encodeSigned(centre: 8 | 16, ...[values, from, blocks, at]: Parameters<EncodeBlock>): void {
  let largest = 0;
  for (let i = from; i < from + 32; i++) if (abs(values[i]!) > abs(largest)) largest = values[i]!;
  const scale = fround(largest / -centre);
  const inverse = invert(scale);
  for (let i = 0; i < 32; i++) {
    const shifted = fround(fround(values[from + i]! * inverse) + (centre + 0.5));
    codes[i] = min(2 * centre - 1, floor(shifted));
  }
  storeHalf(blocks, at, scale);
  storeCodes(blocks, at + (centre === 8 ? 2 : 6), centre === 8 ? undefined : at + 2);
}

/** 31 equal steps between a block's least and greatest value. */
function encodeQ5_1(...[values, from, blocks, at]: Parameters<EncodeBlock>): void {
  let least = values[from]!;
  let greatest = least;
  for (let i = from; i < from + 32; i++) {
    // Math.min would take -0 for less than 0.
    if (values[i]! < least) least = values[i]!;
    if (values[i]! > greatest) greatest = values[i]!;
  }
  const scale = fround(fround(greatest - least) / 31);
  const inverse = invert(scale);
  for (let i = 0; i < 32; i++) {
    codes[i] = floor(fround(fround(fround(values[from + i]! - least) * inverse) + 0.5));
  }
  storeHalf(blocks, at, scale);
  storeHalf(blocks, at + 2, least);
  storeCodes(blocks, at + 8, at + 4);
}

/** Codes of 8 bits under the scale that makes the largest magnitude of a block 127, halves rounded away from zero. */
function encodeQ8_0(...[values, from, blocks, at]: Parameters<EncodeBlock>): void {
  let largest = 0;
  for (let i = from; i < from + 32; i++) largest = max(largest, abs(values[i]!));
  const scale = fround(largest / 127);
  const inverse = invert(scale);
  for (let i = 0; i < 32; i++) {
    const code = fround(values[from + i]! * inverse);
    blocks[at + 2 + i] = Math.sign(code) * floor(abs(code) + 0.5);
  }
  storeHalf(blocks, at, scale);
}

/** How the scales of Q4_K's or Q5_K's groups are sought: greatest code, and the scales that are tried, 0.1 code apart. */
interface ScaleSearch {
  readonly greatest: number;
  /** Codes by which the first scale that is tried makes the group's range longer than `greatest`. */
  readonly firstExcess: number;
  readonly trials: number;
}

const q4_K: ScaleSearch = { greatest: 15, firstExcess: -1, trials: 21 };
const q5_K: ScaleSearch = { greatest: 31, firstExcess: -0.5, trials: 16 };
const excessStep = fround(0.1);

/** Of the block that is encoded: codes, and the scales and least values (as positive numbers) of its groups. */
const codes = new Uint8Array(256);
const scales = new Float32Array(16);
const depths = new Float32Array(8);
/** Of the group that is encoded: the weights of its values' errors, and the codes under the scale that is tried. */
const weights = new Float32Array(32);
const trialCodes = new Uint8Array(32);

/** Eight groups of 32, whose scales and least values are codes of 6 bits themselves. */
function encodeSuperBlock(search: ScaleSearch, ...[values, from, blocks, at]: Parameters<EncodeBlock>): void {
  let greatestScale = 0;
  let greatestDepth = 0;
  for (let group = 0; group < 8; group++) {
    weigh(values, from + 32 * group);
    fitGroup(search, values, from + 32 * group, group);
    greatestScale = max(greatestScale, scales[group]!);
    greatestDepth = max(greatestDepth, depths[group]!);
  }
  const inverseScale = greatestScale > 0 ? fround(63 / greatestScale) : 0;
  const inverseDepth = greatestDepth > 0 ? fround(63 / greatestDepth) : 0;
  for (let group = 0; group < 8; group++) {
    const scale = min(63, nearest(fround(inverseScale * scales[group]!)) & 255);
    const depth = min(63, nearest(fround(inverseDepth * depths[group]!)) & 255);
    storePackedScale(blocks, at + 4, group, scale, depth);
  }
  storeHalf(blocks, at, fround(greatestScale / 63));
  storeHalf(blocks, at + 2, fround(greatestDepth / 63));

  for (let group = 0; group < 8; group++) {
    const scale = fround(half(blocks, at) * packedScale(blocks, at + 4, group, 0));
    // Without a scale the codes do not matter, and stay those of the search.
    if (scale === 0) continue;
    const depth = fround(half(blocks, at + 2) * packedScale(blocks, at + 4, group, 1));
    for (let i = 32 * group; i < 32 * (group + 1); i++) {
      const code = nearest(fround(fround(values[from + i]! + depth) / scale));
      codes[i] = max(0, min(search.greatest, code));
    }
  }
  const hasFifthBit = search.greatest > 15;
  const codesAt = at + (hasFifthBit ? 48 : 16);
  for (let i = 0; i < 256; i++) {
    const group = i >> 5;
    blocks[codesAt + (group >> 1) * 32 + (i & 31)]! |= (codes[i]! & 15) << ((group & 1) * 4);
    if (hasFifthBit) blocks[at + 16 + (i & 31)]! |= (codes[i]! >> 4) << group;
  }
}

/** The error of a value counts by its magnitude and the group's root mean square. */
function weigh(values: Float32Array, from: number): void {
  let squares = 0;
  for (let i = from; i < from + 32; i++) squares = fround(squares + fround(values[i]! * values[i]!));
  const rootMeanSquare = fround(sqrt(fround(squares / 32)));
  for (let i = 0; i < 32; i++) weights[i] = rootMeanSquare + abs(values[from + i]!);
}

/**
 * Finds a group's scale and depth, scale · code - depth being its values: for each scale that is tried the codes, for these
 * the scale and depth of least squares, and of all those with the least error.
 */
function fitGroup(
  { greatest, firstExcess, trials }: ScaleSearch,
  values: Float32Array,
  from: number,
  group: number,
): void {
  let low = values[from]!;
  let high = low;
  let sumOfWeights = 0;
  let sumOfValues = 0;
  for (let i = 0; i < 32; i++) {
    const value = values[from + i]!;
    if (value < low) low = value;
    if (value > high) high = value;
    sumOfWeights = fround(sumOfWeights + weights[i]!);
    sumOfValues = fround(sumOfValues + fround(weights[i]! * value));
  }
  if (low > 0) low = 0;
  let scale = 0;
  if (high === low) codes.fill(0, 32 * group, 32 * (group + 1));
  else {
    let inverse = fround(greatest / fround(high - low));
    scale = fround(1 / inverse);
    tryCodes(inverse, low, greatest, values, from);
    codes.set(trialCodes, 32 * group);
    let leastError = measureError(scale, low, Number.POSITIVE_INFINITY, values, from);
    for (let trial = 0; trial < trials; trial++) {
      const excess = fround(firstExcess + fround(excessStep * trial));
      inverse = fround(fround(excess + greatest) / fround(high - low));
      tryCodes(inverse, low, greatest, values, from);
      let sumOfCodes = 0;
      let sumOfSquares = 0;
      let sumOfProducts = 0;
      for (let i = 0; i < 32; i++) {
        const code = trialCodes[i]!;
        const weighted = fround(weights[i]! * code);
        sumOfCodes = fround(sumOfCodes + weighted);
        sumOfSquares = fround(sumOfSquares + fround(weighted * code));
        sumOfProducts = fround(sumOfProducts + fround(weighted * values[from + i]!));
      }
      const determinant = fround(fround(sumOfWeights * sumOfSquares) - fround(sumOfCodes * sumOfCodes));
      if (!(determinant > 0)) continue;
      let bestScale = fround(
        fround(fround(sumOfWeights * sumOfProducts) - fround(sumOfValues * sumOfCodes)) / determinant,
      );
      let bestLow = fround(
        fround(fround(sumOfSquares * sumOfValues) - fround(sumOfCodes * sumOfProducts)) / determinant,
      );
      if (bestLow > 0) {
        bestLow = 0;
        bestScale = fround(sumOfProducts / sumOfSquares);
      }
      const error = measureError(bestScale, bestLow, leastError, values, from);
      if (error < leastError) {
        codes.set(trialCodes, 32 * group);
        [leastError, scale, low] = [error, bestScale, bestLow];
      }
    }
  }
  scales[group] = scale;
  depths[group] = -low;
}

function tryCodes(inverse: number, low: number, greatest: number, values: Float32Array, from: number): void {
  for (let i = 0; i < 32; i++) {
    const code = nearest(fround(inverse * fround(values[from + i]! - low)));
    trialCodes[i] = max(0, min(greatest, code));
  }
}

/** The weighted squared error of the codes that are tried, or more than `most` if it is more. */
function measureError(scale: number, low: number, most: number, values: Float32Array, from: number): number {
  let error = 0;
  for (let i = 0; i < 32 && error <= most; i++) {
    const difference = fround(fround(fround(scale * trialCodes[i]!) + low) - values[from + i]!);
    error = fround(error + fround(weights[i]! * fround(difference * difference)));
  }
  return error;
}

/** Packs a group's scale and least value, of 6 bits each, into the twelve bytes from `at`, as {@link packedScale} reads them. */
function storePackedScale(bytes: Uint8Array, at: number, group: number, scale: number, least: number): void {
  if (group < 4) {
    bytes[at + group]! |= scale;
    bytes[at + 4 + group]! |= least;
  } else {
    bytes[at + 4 + group] = (scale & 15) | ((least & 15) << 4);
    bytes[at + group - 4]! |= (scale >> 4) << 6;
    bytes[at + group]! |= (least >> 4) << 6;
  }
}

/** A group or block whose scale is smaller is zero. */
const leastMagnitude = fround(1e-15);

/** Sixteen groups of 16, whose scales are codes of 8 bits themselves. */
function encodeQ6_K(...[values, from, blocks, at]: Parameters<EncodeBlock>): void {
  let largest = 0;
  for (let group = 0; group < 16; group++) {
    const scale = fitSignedGroup(values, from + 16 * group, 16 * group);
    scales[group] = scale;
    if (abs(scale) > abs(largest)) largest = scale;
  }
  if (abs(largest) < leastMagnitude) return;
  const inverse = fround(-128 / largest);
  storeHalf(blocks, at + 208, fround(1 / inverse));
  for (let group = 0; group < 16; group++) {
    const groupScale = min(127, nearest(fround(inverse * scales[group]!)));
    blocks[at + 192 + group] = groupScale;
    const scale = fround(half(blocks, at + 208) * groupScale);
    // Without a scale the codes do not matter, and stay those of the search.
    if (scale === 0) continue;
    for (let i = 16 * group; i < 16 * (group + 1); i++) {
      codes[i] = clampSigned(nearest(fround(values[from + i]! / scale))) + 32;
    }
  }
  for (let i = 0; i < 256; i++) {
    const [part, row, column] = [i >> 7, (i >> 5) & 3, i & 31];
    blocks[at + part * 64 + (row & 1) * 32 + column]! |= (codes[i]! & 15) << ((row >> 1) * 4);
    blocks[at + 128 + part * 32 + column]! |= (codes[i]! >> 4) << (row * 2);
  }
}

function clampSigned(code: number): number {
  return max(-32, min(31, code));
}

/**
 * Finds the scale of 16 values, scale · (code - 32), with the least squared error weighted by the values' squares, and stores
 * the codes from `to` on.
 */
function fitSignedGroup(values: Float32Array, from: number, to: number): number {
  let largest = 0;
  for (let i = from; i < from + 16; i++) if (abs(values[i]!) > abs(largest)) largest = values[i]!;
  codes.fill(0, to, to + 16);
  if (abs(largest) < leastMagnitude) return 0;
  let scale = 0;
  let best = 0;
  let bestInverse = fround(-32 / largest);
  // The scale that makes the largest the lowest code goes first, and is kept unless another is better.
  for (const trial of signedTrials) {
    const inverse = fround(-fround(32 + fround(excessStep * trial)) / largest);
    let sumOfProducts = 0;
    let sumOfSquares = 0;
    for (let i = from; i < from + 16; i++) {
      const value = values[i]!;
      const code = clampSigned(nearest(fround(inverse * value)));
      const weight = fround(value * value);
      sumOfProducts = fround(sumOfProducts + fround(fround(weight * value) * code));
      sumOfSquares = fround(sumOfSquares + fround(fround(weight * code) * code));
    }
    const isBetter = fround(sumOfProducts * sumOfProducts) > fround(best * sumOfSquares);
    if (sumOfSquares > 0 && (trial === 0 || isBetter)) {
      scale = fround(sumOfProducts / sumOfSquares);
      best = fround(scale * sumOfProducts);
      bestInverse = inverse;
    }
  }
  for (let i = 0; i < 16; i++) {
    codes[to + i] = clampSigned(nearest(fround(bestInverse * values[from + i]!))) + 32;
  }
  return scale;
}

/** 0 first, then the others in their order. */
const signedTrials = [0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9];
