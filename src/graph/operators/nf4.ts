/** @file Products with a weight stored in 4-bit NormalFloat (Dettmers et al. 2023), and its dequantization. */

import { apply, constant, type Operator, type Tensor, withDerivative } from "../tensor.ts";
import { matmul } from "./matmul.ts";
import { reshape } from "./movement.ts";
import { oneAfter } from "./order.ts";

/** Weights per block that share one scale. */
const blockSize = 64;
/** ONNX Runtime's name for NF4 among the 4-bit types of bitsandbytes. */
const nf4 = 1;

export interface NF4Operand {
  /** uint8 [out * in / 2], the first weight of a pair in the high nibble. */
  readonly codes: Tensor;
  /** float32 [out * in / 64], the largest magnitude of each block. */
  readonly absmax: Tensor;
  readonly outFeatures: number;
  readonly inFeatures: number;
}

const matMulBnb4: Operator = {
  onnx: { type: "MatMulBnb4", domain: "com.microsoft" },
  infer: ([x], { N }) => [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, -1), N as number] }],
};

/** x W^T, where the codes stand for a matrix W [N, K] in row-major order. */
function multiply(x: Tensor, { codes, absmax }: NF4Operand, N: number, K: number): Tensor {
  return apply(matMulBnb4, [x, codes, absmax], { N, K, block_size: blockSize, quant_type: nf4 })[0]!;
}

const one = constant("float32", [1, 1], Float32Array.of(1));

/**
 * The dense float32 [out, in] weight, computed in the graph: the product of 1 with the weight as a single column. It is
 * exact, and takes 12 ms where looking the codes up with ONNX's own operators takes 32 (docs/decisions/nf4-dequantization.md).
 *
 * @param after a tensor before which the weight is not needed; see {@link oneAfter}
 */
export function dequantizeNF4(weight: NF4Operand, after?: Tensor): Tensor {
  const { outFeatures, inFeatures } = weight;
  const column = multiply(
    after ? reshape(oneAfter(after), [1, 1]) : one,
    weight,
    outFeatures * inFeatures,
    1,
  );
  return reshape(column, [outFeatures, inFeatures]);
}

/**
 * x W^T for x [..., in] and an NF4 weight W [out, in].
 *
 * The derivative dequantizes in the graph: ONNX Runtime's MatMulBnb4 is wrong for the untransposed orientation.
 */
export function matmulNF4(x: Tensor, weight: NF4Operand): Tensor {
  const product = multiply(x, weight, weight.outFeatures, weight.inFeatures);
  return withDerivative([x], [product], (_node, [dy]) => [matmul(dy!, dequantizeNF4(weight, dy!))])[0]!;
}
