/**
 * @file Products in integers with a weight of 8-bit integers, for training: the other factor is rounded by row. Both passes compute
 * so, as Switchback does (Wortsman et al. 2023, "Stable and low-precision training for large-scale vision-language models"), but with
 * what is frozen in integers from the beginning.
 */

import { apply, constant, type Operator, scalar, type Tensor, withDerivative } from "../tensor.ts";
import { abs, add, cast, mul, sub } from "./elementwise.ts";
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

/** x as rows of integers: x ≈ scales (codes - zero point). */
interface RoundedRows {
  /** uint8 [rows, K] */
  readonly codes: Tensor;
  /** float32 [rows, 1] */
  readonly scales: Tensor;
  readonly zeroPoint: number;
  /** What rounding leaves over, of x's shape. */
  readonly remainder: Tensor;
}

/** Tensors that are multiplied by several weights are rounded once. A graph is for a device, and so for one number of bits. */
const rounded = new WeakMap<Tensor, RoundedRows>();

/** x [..., K] with each row rounded to the nearest multiple of a scale by which its largest magnitude has all the bits. */
function roundRows(x: Tensor, bits: InputBits): RoundedRows {
  const known = rounded.get(x);
  if (known) return known;
  const largest = 2 ** (bits - 1) - 1;
  const zeroPoint = largest + 1;
  const rows = flattenRows(x);
  const scales = mul(reduceMax(abs(rows), [1], { keepDims: true }), scalar(1 / largest));
  const scaleOfRow = reshape(scales, [rows.shape[0]!]);
  const zeroPoints = cast(expandLike(scalar(zeroPoint), scaleOfRow), "uint8");
  const codes = apply(quantizeLinear, [rows, scaleOfRow, zeroPoints], { axis: 0 })[0]!;
  const roundedRows = mul(sub(cast(codes, "float32"), scalar(zeroPoint)), scales);
  const result = { codes, scales, zeroPoint, remainder: sub(x, unflattenRows(roundedRows, x)) };
  rounded.set(x, result);
  return result;
}

/**
 * (A - zero point) B with the columns scaled, float32 [M, N], for A uint8 [M, K] and B int8 [K, N].
 *
 * @param scales float32 [N]. Default: 1
 */
export function multiplyIntegers(a: Tensor, b: Tensor, zeroPoint = 0, scales = scalar(1)): Tensor {
  const zero = constant("uint8", [], Uint8Array.of(zeroPoint));
  return apply(matMulInteger, [a, b, scalar(1), scales, zero])[0]!;
}

/**
 * x B for x [..., K] that is rounded, and B [K, N] in integers.
 *
 * @param scales of B's columns, float32 [N]. Default: 1
 */
function multiply(x: Tensor, b: Tensor, bits: InputBits, scales = scalar(1)): Tensor {
  const rows = roundRows(x, bits);
  return unflattenRows(mul(multiplyIntegers(rows.codes, b, rows.zeroPoint, scales), rows.scales), x);
}

/**
 * x W^T for x [..., in] and an int8 weight W [out, in], computed in integers: x is rounded by row, and so is what this leaves over, since
 * single features of x may be many times as large as the others. For the derivative the scales of W's rows are folded into dY, which is
 * rounded by row once (docs/decisions/integer-arithmetic.md).
 */
export function matmulRounded(x: Tensor, { codes, scales }: Int8Operand, bits: InputBits): Tensor {
  const columns = transpose(codes, [1, 0]);
  const { remainder } = roundRows(x, bits);
  const product = add(multiply(x, columns, bits, scales), multiply(remainder, columns, bits, scales));
  return withDerivative([x], [product], (_node, [dy]) => [multiply(mul(dy!, scales), codes, bits)])[0]!;
}
