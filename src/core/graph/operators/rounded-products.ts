/**
 * @file Products in integers with a weight of 8-bit integers, for training: the other factor is rounded by row. Both passes compute
 * so, as Switchback does (Wortsman et al. 2023, "Stable and low-precision training for large-scale vision-language models"), but with
 * what is frozen in integers from the beginning.
 */

import { apply, constant, type Operator, scalar, type Tensor, withDerivative } from "../tensor.ts";
import { abs, add, cast, mul } from "./elementwise.ts";
import type { Int8Operand } from "./int8.ts";
import { flattenRows, matmul } from "./matmul.ts";
import { expandLike, gather, reshape, transpose, unflattenRows } from "./movement.ts";
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
  const result = { codes, scales, zeroPoint };
  rounded.set(x, result);
  return result;
}

/** Columns that {@link divideColumns} keeps apart: no more than these, and no more than a quarter of all. Coarser rounding needs more. */
const largestColumns: Readonly<Record<InputBits, number>> = { 7: 96, 8: 32 };

const topK: Operator = {
  onnx: { type: "TopK" },
  infer: ([, count]) => {
    const shape = [Number((count!.source as { data: BigInt64Array }).data[0])];
    return [
      { dtype: "float32", shape },
      { dtype: "int64", shape },
    ];
  },
};

const gatherColumns: Operator = {
  onnx: { type: "Gather" },
  infer: ([x, places]) => [{ dtype: x!.dtype, shape: [x!.shape[0]!, places!.shape[0]!] }],
};

/** Columns of x [rows, K] chosen by `places` (int64 [k]): [rows, k]. */
function columnsAt(x: Tensor, places: Tensor): Tensor {
  return apply(gatherColumns, [x, places], { axis: 1 })[0]!;
}

const scatterElements: Operator = { onnx: { type: "ScatterElements" }, infer: ([x]) => [x!] };

/** x [rows, K] in two parts, whose sum it is. */
interface DividedColumns {
  /** x with zeros in the columns of the largest magnitudes. */
  readonly rest: Tensor;
  /** int64 [k]: these columns' places. */
  readonly places: Tensor;
  /** These columns, [rows, k]. */
  readonly largest: Tensor;
}

const divided = new WeakMap<Tensor, DividedColumns>();

function divideColumns(x: Tensor, bits: InputBits): DividedColumns {
  const known = divided.get(x);
  if (known) return known;
  const rows = flattenRows(x);
  const width = rows.shape[1] as number;
  const count = Math.max(1, Math.min(largestColumns[bits], width >> 2));
  const countTensor = constant("int64", [1], BigInt64Array.of(BigInt(count)));
  const places = apply(topK, [reduceMax(abs(rows), [0]), countTensor], { axis: 0 })[1]!;
  const ones = constant("float32", [width], new Float32Array(width).fill(1));
  const zeros = constant("float32", [count], new Float32Array(count));
  const mask = apply(scatterElements, [ones, places, zeros], { axis: 0 })[0]!;
  const result = { rest: mul(rows, mask), places, largest: columnsAt(rows, places) };
  divided.set(x, result);
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

/** A dense weight W [out, in] as int8 codes with a scale for each row, rounded in the graph. */
export function roundWeight(dense: Tensor): Int8Operand {
  const [outFeatures] = dense.shape as [number, number];
  const scales = mul(reduceMax(abs(dense), [1]), scalar(1 / 127));
  const zeroPoints = constant("int8", [outFeatures], new Int8Array(outFeatures));
  return { codes: apply(quantizeLinear, [dense, scales, zeroPoints], { axis: 0 })[0]!, scales };
}

/**
 * x W^T for x [..., in] and an int8 weight W [out, in], computed in integers: x is rounded by row, without the columns of its largest
 * magnitudes, since single features may be many times as large as the others; these are multiplied in float32 (LLM.int8(), Dettmers et
 * al. 2022, which takes those beyond a threshold). For the derivative the scales of W's rows are folded into dY, which is rounded by row
 * (docs/decisions/integer-arithmetic.md).
 *
 * @param weightAfter gives W, which is not needed before a tensor; called once for each pass
 */
export function matmulRounded(
  x: Tensor,
  weightAfter: (after: Tensor) => Int8Operand,
  bits: InputBits,
): Tensor {
  const { codes, scales } = weightAfter(x);
  const { rest, places, largest } = divideColumns(x, bits);
  const columns = transpose(codes, [1, 0]);
  const ofLargest = matmul(largest, mul(cast(gather(columns, places), "float32"), scales));
  const product = unflattenRows(add(multiply(rest, columns, bits, scales), ofLargest), x);
  return withDerivative([x], [product], (_node, [dy]) => {
    const weight = weightAfter(dy!);
    return [multiply(mul(dy!, weight.scales), weight.codes, bits)];
  })[0]!;
}
