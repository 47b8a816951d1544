/**
 * @file Products in integers with a weight of 8-bit integers, for training: the other factor is rounded by row. Both passes compute
 * so, as Switchback does (Wortsman et al. 2023, "Stable and low-precision training for large-scale vision-language models"), but with
 * what is frozen in integers from the beginning.
 */

import { apply, constant, type Operator, scalar, type Tensor, withDerivative } from "../tensor.ts";
import { abs, cast, mul } from "./elementwise.ts";
import type { Int8Operand } from "./int8.ts";
import { flattenRows } from "./matmul.ts";
import { expandLike, reshape, transpose, unflattenRows } from "./movement.ts";
import { reduceMax } from "./reduction.ts";

/**
 * Bits of the factor that is rounded. Without integer dot products (VNNI, AMX) the engine adds pairs of products in 16 bits, which
 * overflow with 8.
 */
export type InputBits = 7 | 8;

const quantizeLinear: Operator = {
  onnx: { type: "QuantizeLinear" },
  infer: ([x, , zeroPoints]) => [{ dtype: zeroPoints!.dtype, shape: x!.shape }],
};

const matMulInteger: Operator = {
  onnx: { type: "MatMulIntegerToFloat", domain: "com.microsoft" },
  infer: ([a, b, scale]) => [{ dtype: scale!.dtype, shape: [a!.shape[0]!, b!.shape[1]!] }],
};

/** Rows of integers: x ≈ scales (codes - zero point). */
interface RoundedRows {
  /** uint8 [rows, K] */
  readonly codes: Tensor;
  /** float32 [rows, 1] */
  readonly scales: Tensor;
  readonly zeroPoint: number;
}

/** Tensors that are multiplied by several weights are rounded once. */
const rounded = new WeakMap<Tensor, Map<InputBits, RoundedRows>>();

/** x [..., K] with each row rounded to the nearest multiple of a scale by which its largest magnitude has all the bits. */
function roundRows(x: Tensor, bits: InputBits): RoundedRows {
  const known = rounded.get(x) ?? new Map<InputBits, RoundedRows>();
  rounded.set(x, known);
  const before = known.get(bits);
  if (before) return before;
  const largest = 2 ** (bits - 1) - 1;
  const zeroPoint = largest + 1;
  const rows = flattenRows(x);
  const scales = mul(reduceMax(abs(rows), [1], { keepDims: true }), scalar(1 / largest));
  const scaleOfRow = reshape(scales, [rows.shape[0]!]);
  const zeroPoints = cast(expandLike(scalar(zeroPoint), scaleOfRow), "uint8");
  const codes = apply(quantizeLinear, [rows, scaleOfRow, zeroPoints], { axis: 0 })[0]!;
  const result = { codes, scales, zeroPoint };
  known.set(bits, result);
  return result;
}

/**
 * x B for x [..., K] that is rounded, and B [K, N] in integers.
 *
 * @param scales of B's columns, float32 [N]. Default: 1
 */
function multiply(x: Tensor, b: Tensor, bits: InputBits, scales = scalar(1)): Tensor {
  const rows = roundRows(x, bits);
  const zeroPoint = constant("uint8", [], Uint8Array.of(rows.zeroPoint));
  const product = apply(matMulInteger, [rows.codes, b, scalar(1), scales, zeroPoint])[0]!;
  return unflattenRows(mul(product, rows.scales), x);
}

/**
 * x W^T for x [..., in] and an int8 weight W [out, in], computed in integers: x is rounded by row. For the derivative the scales of W's
 * rows are folded into dY, which is rounded by row then.
 */
export function matmulRounded(x: Tensor, { codes, scales }: Int8Operand, bits: InputBits): Tensor {
  const product = multiply(x, transpose(codes, [1, 0]), bits, scales);
  return withDerivative([x], [product], (_node, [dy]) => [multiply(mul(dy!, scales), codes, bits)])[0]!;
}
