/** @file Quantizes matrices to 4 or 8 bits in blocks, as ONNX Runtime's MatMulNBits takes them. */

import { type BitWidth, type BlockwiseMatrix, blockSize } from "../graph/operators/integer-matmul.ts";

/**
 * Rounds to the nearest of 2^bits equal steps between each block's smallest and largest weight, zero among them.
 *
 * @param weights [out, in] in row-major order
 */
export function quantizeBlockwise(
  weights: Float32Array,
  inFeatures: number,
  bits: BitWidth,
): BlockwiseMatrix {
  const outFeatures = weights.length / inFeatures;
  const blocks = Math.ceil(inFeatures / blockSize);
  const steps = 2 ** bits - 1;
  const codes = new Uint8Array(outFeatures * blocks * ((blockSize * bits) / 8));
  const scales = new Float32Array(outFeatures * blocks);
  const zeroPointBytes = Math.ceil((blocks * bits) / 8);
  const zeroPoints = new Uint8Array(outFeatures * zeroPointBytes);
  const store = (target: Uint8Array, index: number, code: number) => {
    if (bits === 8) target[index] = code;
    else target[index >> 1]! |= code << (4 * (index & 1));
  };
  for (let row = 0; row < outFeatures; row++) {
    const rowEnd = (row + 1) * inFeatures;
    for (let block = 0; block < blocks; block++) {
      const start = row * inFeatures + block * blockSize;
      const end = Math.min(start + blockSize, rowEnd);
      let least = 0;
      let greatest = 0;
      for (let i = start; i < end; i++) {
        const weight = weights[i]!;
        if (weight < least) least = weight;
        else if (weight > greatest) greatest = weight;
      }
      const scale = Math.fround((greatest - least) / steps) || 1;
      const zeroPoint = Math.round(-least / scale);
      scales[row * blocks + block] = scale;
      store(zeroPoints, row * zeroPointBytes * (8 / bits) + block, zeroPoint);
      const offset = (row * blocks + block) * blockSize - start;
      for (let i = start; i < end; i++) {
        // Half is added and the fraction cut, which rounds what is not negative.
        const code = (weights[i]! / scale + zeroPoint + 0.5) | 0;
        store(codes, offset + i, Math.min(code, steps));
      }
    }
  }
  return { bits, outFeatures, inFeatures, codes, scales, zeroPoints };
}

/** The rows of matrices of one width and bit width as those of one matrix. */
export function stackBlockwise(matrices: readonly BlockwiseMatrix[]): BlockwiseMatrix {
  if (matrices.length === 1) return matrices[0]!;
  const { bits, inFeatures } = matrices[0]!;
  const sum = (size: (matrix: BlockwiseMatrix) => number) =>
    matrices.reduce((total, matrix) => total + size(matrix), 0);
  const join = <T extends Uint8Array | Float32Array>(whole: T, partOf: (matrix: BlockwiseMatrix) => T): T => {
    let end = 0;
    for (const part of matrices.map(partOf)) {
      whole.set(part, end);
      end += part.length;
    }
    return whole;
  };
  return {
    bits,
    outFeatures: sum(({ outFeatures }) => outFeatures),
    inFeatures,
    codes: join(new Uint8Array(sum(({ codes }) => codes.length)), ({ codes }) => codes),
    scales: join(new Float32Array(sum(({ scales }) => scales.length)), ({ scales }) => scales),
    zeroPoints: join(
      new Uint8Array(sum(({ zeroPoints }) => zeroPoints.length)),
      (matrix) => matrix.zeroPoints,
    ),
  };
}
