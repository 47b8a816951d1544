/** @file Products with a weight stored in 8-bit integers with a scale for each row, and its dequantization. */

import { apply, type Operator, type Tensor, withDerivative } from "../tensor.ts";
import { mul } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { controlDependency } from "./order.ts";

export interface Int8Operand {
  /** int8 [out, in] */
  readonly codes: Tensor;
  /** float32 [out] */
  readonly scales: Tensor;
}

const dequantizeLinear: Operator = {
  onnx: { type: "DequantizeLinear" },
  infer: ([codes, scales]) => [{ dtype: scales!.dtype, shape: codes!.shape }],
};

/**
 * The dense float32 [out, in] weight, computed in the graph.
 *
 * @param after a tensor before which the weight is not needed; see {@link controlDependency}
 */
export function dequantizeInt8({ codes, scales }: Int8Operand, after?: Tensor): Tensor {
  const scale = after ? mul(scales, controlDependency(after)) : scales;
  return apply(dequantizeLinear, [codes, scale], { axis: 0 })[0]!;
}

/** x W^T for x [..., in] and an int8 weight W [out, in], which is made dense for the product and again for the derivative. */
export function matmulInt8(x: Tensor, weight: Int8Operand): Tensor {
  const product = matmul(x, dequantizeInt8(weight, x), { transB: true });
  return withDerivative([x], [product], (_node, [dy]) => [matmul(dy!, dequantizeInt8(weight, dy!))])[0]!;
}
