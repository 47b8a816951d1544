/** @file Sums, means, norms and maxima along axes, and softmax. */

import { apply, constant, type Operator, type Shape, scalar, type Tensor } from "../tensor.ts";
import { div, mul, sub } from "./elementwise.ts";
import { expandLike, reshape } from "./movement.ts";

function reduceShape(shape: Shape, axes: readonly number[], keepDims: boolean): Shape {
  if (keepDims) return shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  return shape.filter((_, axis) => !axes.includes(axis));
}

function reduction(type: string, derivative?: (x: Tensor, dy: Tensor) => Tensor) {
  const operator: Operator = {
    onnx: { type },
    infer: ([x, axes], { keepdims }) => [
      { dtype: x!.dtype, shape: reduceShape(x!.shape, readAxes(axes!), keepdims === 1) },
    ],
    ...(derivative && {
      derivative: ({ inputs: [x, axes] }, [dy]) => {
        const kept = reduceShape(x!.shape, readAxes(axes!), true);
        return [derivative(x!, dy!.shape.length === kept.length ? dy! : reshape(dy!, kept))];
      },
    }),
  };
  return (x: Tensor, axes: readonly number[], { keepDims = false } = {}): Tensor => {
    const positive = axes.map((axis) => (axis < 0 ? axis + x.shape.length : axis));
    const axesTensor = constant("int64", [axes.length], BigInt64Array.from(positive, BigInt));
    return apply(operator, [x, axesTensor], { keepdims: keepDims ? 1 : 0 })[0]!;
  };
}

function readAxes(axes: Tensor): number[] {
  return axes.source.kind === "constant" ? Array.from(axes.source.data as BigInt64Array, Number) : [];
}

/** Sum over `axes`; they are dropped from the shape unless `keepDims`. */
export const reduceSum = reduction("ReduceSum", (x, dy) => expandLike(dy, x));

/** Undoes a broadcast: sums `gradient` over the axes along which a tensor of `shape` was repeated. */
export function sumToShape(gradient: Tensor, shape: Shape): Tensor {
  const leading = gradient.shape.length - shape.length;
  const axes = [...gradient.shape.keys()].filter(
    (axis) => axis < leading || (shape[axis - leading] === 1 && gradient.shape[axis] !== 1),
  );
  if (axes.length === 0) return gradient;
  const sum = reduceSum(gradient, axes, { keepDims: true });
  return leading === 0 ? sum : reshape(sum, shape);
}

/** Euclidean norm along `axes`, kept or dropped as by {@link reduceSum}. It has no derivative. */
export const reduceL2 = reduction("ReduceL2");

/** Largest element along `axes`, kept or dropped as by {@link reduceSum}. It has no derivative. */
export const reduceMax = reduction("ReduceMax");

const argMaxOperator: Operator = {
  onnx: { type: "ArgMax" },
  infer: ([x]) => [{ dtype: "int64", shape: [...x!.shape.slice(0, -1), 1] }],
};

/** Place of the largest element along the last axis, the first of equal ones: int64 [..., 1]. */
export function argMax(x: Tensor): Tensor {
  return apply(argMaxOperator, [x], { axis: -1, keepdims: 1 })[0]!;
}

/** Mean over one axis of known size. */
export function reduceMean(x: Tensor, axis: number, { keepDims = false } = {}): Tensor {
  const size = x.shape.at(axis);
  if (typeof size !== "number") throw new Error("A mean needs an axis of known size.");
  return div(reduceSum(x, [axis], { keepDims }), scalar(size));
}

const softmaxOperator: Operator = {
  onnx: { type: "Softmax" },
  infer: ([x]) => [x!],
  derivative: ({ outputs: [y] }, [dy]) => [
    mul(y!, sub(dy!, reduceSum(mul(dy!, y!), [-1], { keepDims: true }))),
  ],
};

/** Softmax over the last axis. */
export function softmax(x: Tensor): Tensor {
  return apply(softmaxOperator, [x], { axis: -1 })[0]!;
}
