/** @file 8-bit integers with one scale for each row of a weight, as bitsandbytes' vector-wise quantization has them. */

/** A matrix W [out, in] with W[o, i] = scales[o] codes[o, i]. */
export interface Int8Matrix {
  /** [out, in], from -127 to 127. */
  readonly codes: Int8Array;
  /** [out], the largest magnitude of each row over 127. */
  readonly scales: Float32Array;
}

const { abs, fround } = Math;
/** Added to a small float32 number and subtracted again it leaves the nearest whole number, of two the even one. */
const rounding = 1.5 * 2 ** 23;

/**
 * Rounds each weight to the nearest of 255 equal steps between plus and minus its row's largest magnitude, in float32
 * arithmetic. The codes equal those of bitsandbytes 0.50 on the CPU.
 *
 * This is weight-only quantization: the codes are made dense before they are multiplied. It is not LLM.int8() (Dettmers
 * et al. 2022), which rounds the activations to 8 bits too and keeps their outliers apart.
 *
 * @param weights [out, in] in row-major order
 *
 * @example
 * const { codes, scales } = quantizeInt8(Float32Array.of(1, -0.5, 2, 4), 2);
 */
export function quantizeInt8(weights: Float32Array, outFeatures: number): Int8Matrix {
  const inFeatures = weights.length / outFeatures;
  const codes = new Int8Array(weights.length);
  const scales = new Float32Array(outFeatures);
  for (let row = 0; row < outFeatures; row++) {
    const start = row * inFeatures;
    const end = start + inFeatures;
    let max = 0;
    for (let i = start; i < end; i++) max = Math.max(max, abs(weights[i]!));
    scales[row] = max / 127;
    // A row of zeros keeps the codes 0.
    if (max === 0) continue;
    // As PyTorch divides a number by a tensor.
    const inverse = fround(fround(1 / max) * 127);
    for (let i = start; i < end; i++) {
      codes[i] = fround(fround(weights[i]! * inverse) + rounding) - rounding;
    }
  }
  return { codes, scales };
}

/**
 * The values of a quantized matrix, [out, in].
 *
 * @example
 * const weights = dequantizeInt8(quantizeInt8(Float32Array.of(1, -0.5, 2, 4), 2));
 */
export function dequantizeInt8({ codes, scales }: Int8Matrix): Float32Array {
  const inFeatures = codes.length / scales.length;
  return Float32Array.from(codes, (code, i) => code * scales[Math.floor(i / inFeatures)]!);
}
