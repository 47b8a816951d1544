/** @file 4-bit NormalFloat with blocks of 64, and double quantization (Dettmers et al. 2023), as bitsandbytes has them. */

import { sumFloat32 } from "./float32-sum.ts";

/** The sixteen values of NF4, whose codes are their places: quantiles of the normal distribution, scaled to [-1, 1]. */
export const NF4_CODE = Float32Array.of(
  -1,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1,
);

/** Weights that share a scale. */
export const NF4_BLOCK_SIZE = 64;
/** Scales that share a scale of their own in double quantization. */
const statisticsBlockSize = 256;

/** A tensor in NF4. Its length is a multiple of 64. */
export interface NF4Tensor {
  /** Two codes in a byte, the first in the high nibble. */
  readonly codes: Uint8Array;
  /** Largest magnitude of each block; with double quantization, what is left of it after quantization. */
  readonly absmax: Float32Array;
  /** The quantized scales, where double quantization is used. */
  readonly nested?: NestedStatistics;
}

/** Blocks' largest magnitudes in 8 bits: absmax[i] = DYNAMIC_MAP[codes[i]] * absmax[i / 256] + offset. */
export interface NestedStatistics {
  readonly codes: Uint8Array;
  readonly absmax: Float32Array;
  readonly offset: number;
}

const { floor, fround } = Math;

/** Into which [-1, 1] is cut to look up codes. */
const cellsPerUnit = 4096;

const boundaries = NF4_CODE.subarray(1).map((value, i) => fround(fround(NF4_CODE[i]! + value) / 2));
/** The code of each cell, none of which holds two boundaries. */
const codeOfCell = cutIntoCells(boundaries);

/**
 * Quantizes weights (their number a multiple of 64) to the nearest NF4 values, in float32 arithmetic.
 *
 * Codes and scales equal those of bitsandbytes 0.50 on the CPU to the bit. Of the scales that double quantization quantizes
 * a few in a thousand, near the middle of two codes, have the nearer one where bitsandbytes takes the farther.
 *
 * @example
 * const { codes, absmax } = quantizeNF4(new Float32Array(64).fill(0.5), { doubleQuantization: false });
 */
export function quantizeNF4(
  weights: Float32Array,
  { doubleQuantization }: { doubleQuantization: boolean },
): NF4Tensor {
  const codes = new Uint8Array(weights.length / 2);
  const absmax = new Float32Array(weights.length / NF4_BLOCK_SIZE);
  const bits = new Int32Array(weights.buffer, weights.byteOffset, weights.length);
  const absmaxBits = new Int32Array(absmax.buffer);
  for (let block = 0; block < absmax.length; block++) {
    const start = block * NF4_BLOCK_SIZE;
    const end = start + NF4_BLOCK_SIZE;
    absmaxBits[block] = largestMagnitude(bits, start);
    const inverse = fround(1 / Math.max(absmax[block]!, fround(1e-38)));
    // No boundary is so near a cell's edge that rounding to float32 could take a value over both.
    const cells = inverse * cellsPerUnit;
    for (let i = start; i < end; i += 2) {
      let high = codeOfCell[(weights[i]! * cells + cellsPerUnit) | 0]!;
      let low = codeOfCell[(weights[i + 1]! * cells + cellsPerUnit) | 0]!;
      if (high < 0) high = codeFrom(~high, fround(weights[i]! * inverse), boundaries);
      if (low < 0) low = codeFrom(~low, fround(weights[i + 1]! * inverse), boundaries);
      codes[i >> 1] = (high << 4) | low;
    }
  }
  if (!doubleQuantization) return { codes, absmax };
  const nested = quantizeStatistics(absmax);
  return { codes, absmax: dequantizeStatistics(nested), nested };
}

/**
 * The bits of the largest magnitude in the block at `start`. Numbers of float32 without their sign are in the order of their
 * bits, of which the larger ones are taken without a branch, four by four.
 */
function largestMagnitude(bits: Int32Array, start: number): number {
  let [first, second, third, fourth] = [0, 0, 0, 0];
  for (let i = start; i < start + NF4_BLOCK_SIZE; i += 4) {
    first = larger(first, bits[i]! & magnitudeBits);
    second = larger(second, bits[i + 1]! & magnitudeBits);
    third = larger(third, bits[i + 2]! & magnitudeBits);
    fourth = larger(fourth, bits[i + 3]! & magnitudeBits);
  }
  return larger(larger(first, second), larger(third, fourth));
}

const magnitudeBits = 0x7fffffff;
const larger = (a: number, b: number) => a - ((a - b) & ((a - b) >> 31));

/**
 * The values of a quantized tensor.
 *
 * @example
 * const weights = dequantizeNF4(quantizeNF4(new Float32Array(64).fill(0.5), { doubleQuantization: true }));
 */
export function dequantizeNF4({ codes, absmax }: NF4Tensor): Float32Array {
  const values = new Float32Array(codes.length * 2);
  for (let i = 0; i < values.length; i += 2) {
    const byte = codes[i >> 1]!;
    const scale = absmax[floor(i / NF4_BLOCK_SIZE)]!;
    values[i] = NF4_CODE[byte >> 4]! * scale;
    values[i + 1] = NF4_CODE[byte & 15]! * scale;
  }
  return values;
}

/**
 * The 256 values of the signed dynamic 8-bit type (Dettmers 2015), in rising order: for each power of ten from 1e-6
 * to 1, the midpoints of ever finer steps between a tenth of it and itself; and 0 and 1.
 */
export const DYNAMIC_MAP = createDynamicMap();

function createDynamicMap(): Float32Array {
  const values = [0, 1];
  for (let i = 0; i < 7; i++) {
    const steps = 2 ** i;
    const power = fround(10 ** (i - 6));
    for (let step = 0; step < steps; step++) {
      const mean = fround(fround(linspace(step, steps) + linspace(step + 1, steps)) / 2);
      const value = fround(power * mean);
      values.push(value, -value);
    }
  }
  return Float32Array.from(values).sort();
}

/** Boundary `i` of `count` steps from 0.1 to 1, rounded once as in torch.linspace: the second half counts from the end. */
function linspace(i: number, count: number): number {
  const start = fround(0.1);
  const step = fround(fround(1 - start) / count);
  return fround(i < floor((count + 1) / 2) ? start + step * i : 1 - step * (count - i));
}

/** The greatest numbers that are rounded to each code but the last. */
const dynamicBoundaries = DYNAMIC_MAP.subarray(1).map((high, i) => lastNearer(DYNAMIC_MAP[i]!, high));
const dynamicCodeOfCell = cutIntoCells(dynamicBoundaries);

/** The greatest float32 that is not nearer to `high` than to `low`, in float32 arithmetic. */
function lastNearer(low: number, high: number): number {
  let [last, beyond] = [low, high];
  for (;;) {
    const middle = fround((last + beyond) / 2);
    if (middle === last || middle === beyond) return last;
    if (fround(high - middle) < fround(middle - low)) beyond = middle;
    else last = middle;
  }
}

function quantizeStatistics(values: Float32Array): NestedStatistics {
  const offset = fround(sumFloat32(values) / values.length);
  const codes = new Uint8Array(values.length);
  const absmax = new Float32Array(Math.ceil(values.length / statisticsBlockSize));
  for (let block = 0; block < absmax.length; block++) {
    const start = block * statisticsBlockSize;
    const end = Math.min(start + statisticsBlockSize, values.length);
    let max = 0;
    for (let i = start; i < end; i++) {
      const magnitude = Math.abs(fround(values[i]! - offset));
      if (magnitude > max) max = magnitude;
    }
    absmax[block] = max;
    // A block of zeros keeps the codes 0, whose value does not matter.
    if (max === 0) continue;
    for (let i = start; i < end; i++) {
      const scaled = fround(fround(values[i]! - offset) / max);
      const code = dynamicCodeOfCell[(scaled * cellsPerUnit + cellsPerUnit) | 0]!;
      codes[i] = code < 0 ? codeFrom(~code, scaled, dynamicBoundaries) : code;
    }
  }
  return { codes, absmax, offset };
}

/** The blocks' scales that quantized statistics stand for, whose codes are places in `map`. */
export function dequantizeStatistics(
  { codes, absmax, offset }: NestedStatistics,
  map: Float32Array = DYNAMIC_MAP,
): Float32Array {
  const values = new Float32Array(codes.length);
  for (let i = 0; i < codes.length; i++) {
    values[i] = fround(map[codes[i]!]! * absmax[floor(i / statisticsBlockSize)]!) + offset;
  }
  return values;
}

/**
 * The code of each cell of [-1, 1], or the complement of the first of several. The cells are so small that nearly all hold no
 * boundary between codes. A value that is rounded to just outside belongs to the cell at the end.
 */
function cutIntoCells(boundaries: Float32Array): Int16Array {
  return Int16Array.from({ length: 2 * cellsPerUnit + 1 }, (_, cell) => {
    const [first, last] = [cell, cell + 1].map((edge) => codeFrom(0, edge / cellsPerUnit - 1, boundaries));
    return first === last ? first! : ~first!;
  });
}

/** The code of `scaled`, which is `least` or more; a boundary belongs to the code below. */
function codeFrom(least: number, scaled: number, boundaries: Float32Array): number {
  let code = least;
  while (code < boundaries.length && scaled > boundaries[code]!) code++;
  return code;
}
