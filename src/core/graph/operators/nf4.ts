/** @file Products with a weight stored in 4-bit NormalFloat (Dettmers et al. 2023), and its dequantization. */

import { apply, constant, type Operator, type Tensor, withDerivative } from "../tensor.ts";
import { add, cast, mul } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { concat, reshape, separate, split } from "./movement.ts";
import { controlDependency } from "./order.ts";
import { type InputBits, matmulRounded, roundWeight } from "./rounded-products.ts";

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
 * @param after a tensor before which the weight is not needed; see {@link controlDependency}
 */
export function dequantizeNF4(weight: NF4Operand, after?: Tensor): Tensor {
  const { outFeatures, inFeatures } = weight;
  const column = multiply(
    after ? reshape(controlDependency(after), [1, 1]) : one,
    weight,
    outFeatures * inFeatures,
    1,
  );
  return reshape(column, [outFeatures, inFeatures]);
}

/** What may be dense of a weight at a time, in bytes. */
const denseBytes = 2 ** 26;

/**
 * The weight as equal runs of its rows, each of which is at most `most` bytes when it is dense, if they can be so divided.
 *
 * @param after a tensor before which the runs are not needed, since they are copies
 */
function divideRows(weight: NF4Operand, most: number, after: Tensor): readonly NF4Operand[] {
  const { outFeatures, inFeatures } = weight;
  const count = 2 ** Math.max(0, Math.ceil(Math.log2((4 * outFeatures * inFeatures) / most)));
  const rows = outFeatures / count;
  const size = rows * inFeatures;
  if (count === 1 || !Number.isInteger(rows) || size % blockSize !== 0) return [weight];
  const divide = (tensor: Tensor, length: number) => {
    const lengths = constant("float32", [count], new Float32Array(count).fill(length));
    return separate(
      tensor,
      0,
      cast(mul(lengths, controlDependency(after)), "int64"),
      new Array<number>(count).fill(length),
    );
  };
  const codes = divide(weight.codes, size / 2);
  const absmax = divide(weight.absmax, size / blockSize);
  return codes.map((part, i) => ({
    codes: part,
    absmax: absmax[i]!,
    outFeatures: rows,
    inFeatures,
  }));
}

/**
 * x W^T for x [..., in] and an NF4 weight W [out, in], which is made int8 for the product and again for the derivative, both of which are
 * computed in integers; see {@link matmulRounded}.
 *
 * @param bits to which x and its gradient are rounded
 * @param most as of {@link matmulNF4}
 */
export function matmulNF4Rounded(x: Tensor, weight: NF4Operand, bits: InputBits, most = denseBytes): Tensor {
  const products = divideRows(weight, most, x).map((part) =>
    matmulRounded(x, (after) => roundWeight(dequantizeNF4(part, after)), bits),
  );
  return concat(products, x.shape.length - 1);
}

/**
 * x W^T for x [..., in] and an NF4 weight W [out, in].
 *
 * The derivative dequantizes in the graph: ONNX Runtime's MatMulBnb4 is wrong for the untransposed orientation.
 *
 * @param most bytes of the weight that are dense at a time; larger ones are multiplied by in parts. Default 64 MiB.
 */
export function matmulNF4(x: Tensor, weight: NF4Operand, most = denseBytes): Tensor {
  const parts = divideRows(weight, most, x);
  const last = x.shape.length - 1;
  const products = parts.map((part) => multiply(x, part, part.outFeatures, part.inFeatures));
  return withDerivative([x], [concat(products, last)], (_node, [dy]) => {
    const laterParts = divideRows(weight, most, dy!);
    const slices = split(dy!, last, parts.length, parts[0]!.outFeatures);
    const terms = (sum: Tensor | undefined, part: NF4Operand, i: number): Tensor => {
      const term = matmul(slices[i]!, dequantizeNF4(part, sum ?? dy!));
      return sum ? add(sum, term) : term;
    };
    return [laterParts.reduce<Tensor | undefined>(terms, undefined)];
  })[0]!;
}
