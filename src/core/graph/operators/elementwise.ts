/** @file Elementwise operators, with NumPy's broadcasting. */

import {
  apply,
  type Dim,
  type DType,
  formatShape,
  type Operator,
  type Shape,
  scalar,
  type Tensor,
} from "../tensor.ts";
import { sumToShape } from "./reduction.ts";

function broadcastShapes(left: Shape, right: Shape): Shape {
  const rank = Math.max(left.length, right.length);
  const shape: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const a = left[axis - rank + left.length] ?? 1;
    const b = right[axis - rank + right.length] ?? 1;
    if (a !== b && a !== 1 && b !== 1) {
      throw new Error(`Shapes ${formatShape(left)} and ${formatShape(right)} cannot be broadcast together.`);
    }
    shape.push(a === 1 ? b : a);
  }
  return shape;
}

type BinaryDerivative = (a: Tensor, b: Tensor, y: Tensor, dy: Tensor) => [() => Tensor, () => Tensor];

function binary(type: string, derivative: BinaryDerivative): (a: Tensor, b: Tensor) => Tensor {
  const operator: Operator = {
    onnx: { type },
    infer: ([a, b]) => [{ dtype: a!.dtype, shape: broadcastShapes(a!.shape, b!.shape) }],
    derivative: ({ inputs: [a, b], outputs: [y] }, [dy], needs) =>
      derivative(a!, b!, y!, dy!).map((gradient, index) =>
        needs(index) ? sumToShape(gradient(), [a, b][index]!.shape) : undefined,
      ),
  };
  return (a, b) => apply(operator, [a, b])[0]!;
}

function unary(
  type: string,
  derivative: (x: Tensor, y: Tensor, dy: Tensor) => Tensor,
): (x: Tensor) => Tensor {
  const operator: Operator = {
    onnx: { type },
    infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
    derivative: ({ inputs: [x], outputs: [y] }, [dy]) => [derivative(x!, y!, dy!)],
  };
  return (x) => apply(operator, [x])[0]!;
}

export const add = binary("Add", (_a, _b, _y, dy) => [() => dy, () => dy]);
export const sub = binary("Sub", (_a, _b, _y, dy) => [() => dy, () => neg(dy)]);
export const mul = binary("Mul", (a, b, _y, dy) => [() => mul(dy, b), () => mul(dy, a)]);
export const div = binary("Div", (_a, b, y, dy) => [() => div(dy, b), () => neg(mul(dy, div(y, b)))]);

export const neg = unary("Neg", (_x, _y, dy) => neg(dy));
export const exp = unary("Exp", (_x, y, dy) => mul(dy, y));
export const log = unary("Log", (x, _y, dy) => div(dy, x));
export const sqrt = unary("Sqrt", (_x, y, dy) => div(mul(dy, scalar(0.5)), y));
export const tanh = unary("Tanh", (_x, y, dy) => mul(dy, sub(scalar(1), mul(y, y))));
export const sigmoid = unary("Sigmoid", (_x, y, dy) => mul(dy, mul(y, sub(scalar(1), y))));

function extreme(type: "Max" | "Min"): (a: Tensor, b: Tensor) => Tensor {
  const operator: Operator = {
    onnx: { type },
    infer: ([a, b]) => [{ dtype: a!.dtype, shape: broadcastShapes(a!.shape, b!.shape) }],
  };
  return (a, b) => apply(operator, [a, b])[0]!;
}

/** The larger of each two elements. It has no derivative. */
export const max = extreme("Max");
/** The smaller of each two elements. It has no derivative. */
export const min = extreme("Min");

const absOperator: Operator = { onnx: { type: "Abs" }, infer: ([x]) => [x!] };

/** The magnitude of each element. It has no derivative. */
export function abs(x: Tensor): Tensor {
  return apply(absOperator, [x])[0]!;
}

function comparison(type: string): (a: Tensor, b: Tensor) => Tensor {
  const operator: Operator = {
    onnx: { type },
    infer: ([a, b]) => [{ dtype: "bool", shape: broadcastShapes(a!.shape, b!.shape) }],
  };
  return (a, b) => apply(operator, [a, b])[0]!;
}

export const equal = comparison("Equal");
export const less = comparison("Less");
export const and = comparison("And");

const whereOperator: Operator = {
  onnx: { type: "Where" },
  infer: ([condition, a, b]) => [
    { dtype: a!.dtype, shape: broadcastShapes(condition!.shape, broadcastShapes(a!.shape, b!.shape)) },
  ],
  derivative: ({ inputs: [condition, a, b] }, [dy], needs) => [
    undefined,
    needs(1) ? sumToShape(where(condition!, dy!, scalar(0)), a!.shape) : undefined,
    needs(2) ? sumToShape(where(condition!, scalar(0), dy!), b!.shape) : undefined,
  ],
};

/** `a` where `condition` (bool) holds, `b` elsewhere. */
export function where(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  return apply(whereOperator, [condition, a, b])[0]!;
}

/** ONNX TensorProto.DataType of each element type. */
export const onnxDataType: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
};

const castOperator: Operator = {
  onnx: { type: "Cast" },
  infer: ([x], { to }) => [
    {
      dtype: (Object.keys(onnxDataType) as DType[]).find((key) => onnxDataType[key] === to)!,
      shape: x!.shape,
    },
  ],
  derivative: ({ inputs: [x] }, [dy]) => [cast(dy!, x!.dtype)],
};

export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : apply(castOperator, [x], { to: onnxDataType[dtype] })[0]!;
}
