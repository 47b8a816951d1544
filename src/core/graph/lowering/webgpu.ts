/** @file What ONNX Runtime's WebGPU has no kernels for, by operators for which it has: the rest would be computed on the CPU. */

import { exp, log, mul, sub } from "../operators/elementwise.ts";
import { flattenRows } from "../operators/matmul.ts";
import { reshape, transpose } from "../operators/movement.ts";
import { reduceMax, reduceSum } from "../operators/reduction.ts";
import { apply, constant, type Node, type Operator, type Shape, scalar, type Tensor } from "../tensor.ts";
import type { LoweringRules } from "./lower.ts";

export const webgpuRules: LoweringRules = {
  FusedMatMul: lowerProduct,

  LogSoftmax({ inputs: [x] }) {
    const shifted = sub(x!, reduceMax(x!, [-1], { keepDims: true }));
    return [sub(shifted, log(reduceSum(exp(shifted), [-1], { keepDims: true })))];
  },

  // The one of a control dependency, whose Size would be counted on the CPU.
  Div({ inputs: [elements, same] }) {
    const counted = elements === same ? nodeOf(nodeOf(elements!, "Cast")?.inputs[0], "Size") : undefined;
    return counted && [expandTo([], scalar(1), shapeOf(counted.inputs[0]!, 0, 0))];
  },

  // Sizes that are computed would be waited for.
  Split(node) {
    const { inputs, attributes, outputs } = node;
    const sizes = outputs.map(({ shape }) => shape[attributes.axis as number]!);
    if (inputs[1]?.source.kind !== "node" || !sizes.every((size) => typeof size === "number"))
      return undefined;
    const known = constant("int64", [sizes.length], BigInt64Array.from(sizes, BigInt));
    return apply({ ...node.operator, infer: () => outputs }, [inputs[0]!, known], attributes);
  },
};

/**
 * Gemm takes matrices as they lie, transposed or not. Only products of stacks of matrices, which are attention's, need operands that
 * are transposed before.
 */
function lowerProduct({ inputs: [a, b], attributes, outputs: [product] }: Node): readonly Tensor[] {
  const { transA = 0, transB = 0, alpha = 1 } = attributes;
  if (b!.shape.length === 2) {
    const rows = apply(gemm, [flattenRows(a!), b!], { transA, transB, alpha })[0]!;
    return [a!.shape.length === 2 ? rows : unflattenRows(rows, a!, product!.shape)];
  }
  const matMul: Operator = { onnx: { type: "MatMul" }, infer: () => [product!] };
  const right = transB === 1 ? exchangeLast(b!) : b!;
  // Of attention's products, the second operands are the small ones.
  const scaled = alpha === 1 ? right : mul(right, scalar(alpha as number));
  return apply(matMul, [transA === 1 ? exchangeLast(a!) : a!, scaled]);
}

const gemm: Operator = {
  onnx: { type: "Gemm" },
  infer: ([a, b], { transA, transB }) => [
    { dtype: a!.dtype, shape: [a!.shape[transA === 1 ? 1 : 0]!, b!.shape[transB === 1 ? 0 : 1]!] },
  ],
};

/** `x` with its last two axes exchanged. */
function exchangeLast(x: Tensor): Tensor {
  const axes = [...x.shape.keys()];
  return transpose(x, [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!]);
}

/** The inverse of {@link flattenRows}: `rows` [N, K] in the `shape` [..., K], whose leading axes are those of `like`. */
function unflattenRows(rows: Tensor, like: Tensor, shape: Shape): Tensor {
  if (shape.filter((dim) => typeof dim === "string").length < 2) return reshape(rows, shape);
  const inferred = constant("int64", [1], BigInt64Array.of(-1n));
  const concat: Operator = {
    onnx: { type: "Concat" },
    infer: () => [{ dtype: "int64", shape: [shape.length] }],
  };
  const [target] = apply(concat, [shapeOf(like, 0, -1), inferred], { axis: 0 });
  const reshapeTo: Operator = { onnx: { type: "Reshape" }, infer: () => [{ dtype: rows.dtype, shape }] };
  return apply(reshapeTo, [rows, target!])[0]!;
}

/** Sizes of the axes from `start` to before `end`. ONNX Runtime keeps them in the CPU's memory, without waiting for the values. */
function shapeOf(x: Tensor, start: number, end: number): Tensor {
  const count = x.shape.slice(start, end).length;
  const operator: Operator = { onnx: { type: "Shape" }, infer: () => [{ dtype: "int64", shape: [count] }] };
  return apply(operator, [x], { start, end })[0]!;
}

function expandTo(shape: Shape, x: Tensor, sizes: Tensor): Tensor {
  const operator: Operator = { onnx: { type: "Expand" }, infer: () => [{ dtype: x.dtype, shape }] };
  return apply(operator, [x, sizes])[0]!;
}

/** The node of which `tensor` is an output, if it applies the ONNX operator `type`. */
function nodeOf(tensor: Tensor | undefined, type: string): Node | undefined {
  const source = tensor?.source;
  return source?.kind === "node" && source.node.operator.onnx?.type === type ? source.node : undefined;
}
