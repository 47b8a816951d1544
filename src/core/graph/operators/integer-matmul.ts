/** @file Products with a weight of 4- or 8-bit integers in blocks, for decoding: it has no derivative. */

import { apply, constant, type Operator, type Tensor } from "../tensor.ts";

/** Weights per scale, along the input. */
export const blockSize = 32;

export const bitWidths = [4, 8] as const;
export type BitWidth = (typeof bitWidths)[number];

/** A matrix W [out, in] with W[o, i] = scale (code - zero point), each row padded to whole blocks. */
export interface BlockwiseMatrix {
  readonly bits: BitWidth;
  readonly outFeatures: number;
  readonly inFeatures: number;
  /** uint8 [out, blocks, 32 bits / 8]; of two 4-bit codes in a byte the first is in the low nibble. */
  readonly codes: Uint8Array;
  /** float32 [out * blocks] */
  readonly scales: Float32Array;
  /** uint8 [out * ceil(blocks bits / 8)], packed as the codes. */
  readonly zeroPoints: Uint8Array;
}

const matMulNBits: Operator = {
  onnx: { type: "MatMulNBits", domain: "com.microsoft" },
  infer: ([x], { N }) => [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, -1), N as number] }],
};

/** Sums products of integers: the inputs are rounded to 8 bits too, in blocks. */
const integerSums = 4;

/**
 * x W^T for x [..., in]. The weight is a part of the graph, since ONNX Runtime puts it into the order of its kernels when
 * it compiles; given at each run, it would be made dense each time.
 */
export function matmulBlockwise(x: Tensor, weight: BlockwiseMatrix): Tensor {
  const { bits, outFeatures, inFeatures, codes, scales, zeroPoints } = weight;
  const blocks = scales.length / outFeatures;
  return apply(
    matMulNBits,
    [
      x,
      constant("uint8", [outFeatures, blocks, (blockSize * bits) / 8], codes),
      constant("float32", [scales.length], scales),
      constant("uint8", [zeroPoints.length], zeroPoints),
    ],
    { K: inFeatures, N: outFeatures, bits, block_size: blockSize, accuracy_level: integerSums },
  )[0]!;
}
