/** @file Products with a weight stored in 4-bit NormalFloat (Dettmers et al. 2023), and its dequantization. */

import { apply, type Operator, type Tensor, withDerivative } from "../tensor.ts";
import { cast, mul } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { gather, reshape } from "./movement.ts";

/** Weights per block that share one scale. */
const blockSize = 64;
/** ONNX Runtime's name for NF4 among the 4-bit types of bitsandbytes. */
const nf4 = 1;

export interface NF4Operand {
  /** uint8 [out * in / 2], the first weight of a pair in the high nibble. */
  readonly codes: Tensor;
  /** float32 [out * in / 64], the largest magnitude of each block. */
  readonly absmax: Tensor;
  /** float32 [256, 2], the pair of values that each byte stands for. */
  readonly table: Tensor;
  readonly outFeatures: number;
  readonly inFeatures: number;
}

/** The dense float32 [out, in] weight, computed in the graph. */
export function dequantizeNF4({ codes, absmax, table, outFeatures, inFeatures }: NF4Operand): Tensor {
  const blocks = (outFeatures * inFeatures) / blockSize;
  const values = reshape(gather(table, cast(codes, "int32")), [blocks, blockSize]);
  return reshape(mul(values, reshape(absmax, [blocks, 1])), [outFeatures, inFeatures]);
}

const matMulBnb4: Operator = {
  onnx: { type: "MatMulBnb4", domain: "com.microsoft" },
  infer: ([x], { N }) => [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, -1), N as number] }],
};

/**
 * x W^T for x [..., in] and an NF4 weight W [out, in].
 *
 * The derivative dequantizes in the graph: ONNX Runtime's MatMulBnb4 is wrong for the untransposed orientation.
 */
export function matmulNF4(x: Tensor, weight: NF4Operand): Tensor {
  const attributes = { K: weight.inFeatures, N: weight.outFeatures, block_size: blockSize, quant_type: nf4 };
  const product = apply(matMulBnb4, [x, weight.codes, weight.absmax], attributes);
  return withDerivative([x], product, (_node, [dy]) => [matmul(dy!, dequantizeNF4(weight))])[0]!;
}
