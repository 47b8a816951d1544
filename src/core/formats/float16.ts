/** @file Half-precision numbers: IEEE 754 binary16 and bfloat16, to float32 and back. */

/** float32 value of each of the 65,536 binary16 numbers. */
const float16Values = Float32Array.from({ length: 65_536 }, (_, bits) => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
});

/** The float32 values of binary16 numbers given by their bits. */
export function decodeFloat16(bits: Uint16Array): Float32Array {
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = float16Values[bits[i]!]!;
  return values;
}

/** The float32 values of bfloat16 numbers given by their bits. */
export function decodeBfloat16(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
  return new Float32Array(words.buffer);
}

/** The bits of the nearest binary16 numbers, ties to even; too large a value becomes infinite. */
export function encodeFloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) bits[i] = roundToFloat16(words[i]!, values[i]!);
  return bits;
}

const oneValue = new Float32Array(1);
const oneWord = new Uint32Array(oneValue.buffer);

/** The bits of the binary16 number nearest to one float32. */
export function encodeFloat16Number(value: number): number {
  oneValue[0] = value;
  return roundToFloat16(oneWord[0]!, value);
}

/** @param word the bits of the float32 `value` */
function roundToFloat16(word: number, value: number): number {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // At least half a step above 65,504.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Normal: the exponent's bias goes from 127 to 15, and 13 bits are rounded off, ties to even.
  if (magnitude >= 0x38800000) {
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  // Subnormal: a whole number of 2^-24. Adding 2^23 · 2^-24 makes float32 arithmetic round it, ties to even.
  return sign | ((Math.fround(Math.abs(value) + 0.5) - 0.5) * 2 ** 24);
}
