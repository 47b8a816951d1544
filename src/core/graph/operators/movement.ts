/** @file Operators that move elements without computing: reshape, transpose, split, concat, gather, expand. */

import {
  apply,
  constant,
  type Dim,
  formatShape,
  multiplyDim,
  type Operator,
  type Shape,
  type Tensor,
} from "../tensor.ts";

/**
 * ONNX's target for a reshape to `to`: a symbolic size is written 0 where it stands at the same place in the
 * source shape (copied), or -1 (inferred). Only one can be inferred; with more the target is undefined.
 */
function encodeTarget(from: Shape, to: Shape): Tensor | undefined {
  const target = to.map((dim, axis) =>
    typeof dim === "number" ? BigInt(dim) : from[axis] === dim ? 0n : -1n,
  );
  if (target.filter((size) => size === -1n).length > 1) return undefined;
  return constant("int64", [target.length], BigInt64Array.from(target));
}

function reshapeOperator(shape: Shape): Operator {
  return {
    onnx: { type: "Reshape" },
    infer: ([x]) => [{ dtype: x!.dtype, shape }],
    derivative: ({ inputs: [x] }, [dy]) => {
      const target = encodeTarget(dy!.shape, x!.shape) ?? shapeOf(x!);
      return [apply(reshapeOperator(x!.shape), [dy!, target])[0]];
    },
  };
}

/**
 * The same elements in row-major order under another shape, of which at most one symbolic size may move or be new.
 *
 * @example
 * const heads = reshape(input("x", "float32", ["B", "S", 256]), ["B", "S", 4, 64]);
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const target = encodeTarget(x.shape, shape);
  if (!target) {
    throw new Error(
      `${formatShape(x.shape)} cannot be reshaped to ${formatShape(shape)}: two sizes are unknown.`,
    );
  }
  return apply(reshapeOperator(shape), [x, target])[0]!;
}

const transposeOperator: Operator = {
  onnx: { type: "Transpose" },
  infer: ([x], { perm }) => [{ dtype: x!.dtype, shape: (perm as number[]).map((axis) => x!.shape[axis]!) }],
  derivative: ({ attributes: { perm } }, [dy]) => {
    const inverse: number[] = [];
    for (const [to, from] of (perm as number[]).entries()) inverse[from] = to;
    return [transpose(dy!, inverse)];
  },
};

/**
 * Axes permuted: axis i of the result is axis `perm[i]` of `x`.
 *
 * @example
 * const columns = transpose(input("x", "float32", [3, 5]), [1, 0]);
 */
export function transpose(x: Tensor, perm: readonly number[]): Tensor {
  return apply(transposeOperator, [x], { perm })[0]!;
}

function replaceDim(shape: Shape, axis: number, dim: Dim): Shape {
  return shape.map((old, index) => (index === axis ? dim : old));
}

function splitOperator(part: Dim): Operator {
  return {
    onnx: { type: "Split" },
    infer: ([x], { axis, num_outputs }) => {
      const type = { dtype: x!.dtype, shape: replaceDim(x!.shape, axis as number, part) };
      return Array.from({ length: num_outputs as number }, () => type);
    },
    derivative: ({ attributes: { axis } }, gradients) => {
      if (gradients.includes(undefined)) throw new Error("Every part of a split must influence the outputs.");
      return [concat(gradients as Tensor[], axis as number)];
    },
  };
}

/** `count` equal parts of `x` along an axis, each of the size `part` there. */
export function split(x: Tensor, axis: number, count: number, part: Dim): readonly Tensor[] {
  if (x.shape[axis] !== multiplyDim(count, part)) {
    throw new Error(`Axis ${axis} of ${formatShape(x.shape)} is not ${count} times ${part}.`);
  }
  return count === 1 ? [x] : apply(splitOperator(part), [x], { axis, num_outputs: count });
}

const concatOperator: Operator = {
  onnx: { type: "Concat" },
  infer: (parts, { axis }) => {
    const [first] = parts;
    const size = multiplyDim(parts.length, first!.shape[axis as number]!);
    return [{ dtype: first!.dtype, shape: replaceDim(first!.shape, axis as number, size) }];
  },
  derivative: ({ inputs, attributes: { axis } }, [dy]) =>
    split(dy!, axis as number, inputs.length, inputs[0]!.shape[axis as number]!),
};

/** Tensors of one shape, one after the other along an axis. */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const shapes = new Set(parts.map((part) => formatShape(part.shape)));
  if (shapes.size !== 1) throw new Error(`Shapes ${[...shapes].join(" and ")} cannot be concatenated.`);
  return parts.length === 1 ? parts[0]! : apply(concatOperator, parts, { axis })[0]!;
}

/** Tensors that differ in size along an axis, one after the other along it. It has no derivative. */
export function join(parts: readonly Tensor[], axis: number, size: Dim): Tensor {
  const operator: Operator = {
    onnx: { type: "Concat" },
    infer: ([first]) => [{ dtype: first!.dtype, shape: replaceDim(first!.shape, axis, size) }],
  };
  return apply(operator, parts, { axis })[0]!;
}

/** The inverse of {@link join}: parts of `dims` along an axis, whose `sizes` (int64) may be known only when the graph runs. */
export function separate(x: Tensor, axis: number, sizes: Tensor, dims: readonly Dim[]): readonly Tensor[] {
  const operator: Operator = {
    onnx: { type: "Split" },
    infer: () => dims.map((dim) => ({ dtype: x.dtype, shape: replaceDim(x.shape, axis, dim) })),
    derivative({ outputs }, gradients) {
      const ofParts = outputs.map((part, i) => gradients[i] ?? zerosLike(part));
      return [join(ofParts, axis, x.shape[axis]!)];
    },
  };
  return apply(operator, [x, sizes], { axis });
}

/** The first `size` elements of `x` along an axis of known size. */
export function leading(x: Tensor, axis: number, size: number): Tensor {
  const rest = (x.shape[axis] as number) - size;
  if (rest === 0) return x;
  const sizes = [size, rest];
  return separate(x, axis, constant("int64", [2], BigInt64Array.from(sizes, BigInt)), sizes)[0]!;
}

/** Elements of a vector from `start` to before `end`. It has no derivative. */
export function slice(x: Tensor, start: number, end: number): Tensor {
  const operator: Operator = {
    onnx: { type: "Slice" },
    infer: () => [{ dtype: x.dtype, shape: [end - start] }],
  };
  const bound = (place: number) => constant("int64", [1], BigInt64Array.of(BigInt(place)));
  return apply(operator, [x, bound(start), bound(end)])[0]!;
}

const gatherOperator: Operator = {
  onnx: { type: "Gather" },
  infer: ([x, indices]) => [{ dtype: x!.dtype, shape: [...indices!.shape, ...x!.shape.slice(1)] }],
  derivative: ({ inputs: [x, indices] }, [dy]) => [addRows(zerosLike(x!), indices!, dy!)],
};

/** Rows of `x` (along its first axis) chosen by `indices` (int32 or int64, any shape). */
export function gather(x: Tensor, indices: Tensor): Tensor {
  return apply(gatherOperator, [x, indices], { axis: 0 })[0]!;
}

const scatterNdOperator: Operator = { onnx: { type: "ScatterND" }, infer: ([x]) => [x!] };

/** `x` with `rows` added to its own at `indices` (rank 1, int64). It has no derivative. */
export function addRows(x: Tensor, indices: Tensor, rows: Tensor): Tensor {
  return addAt(x, reshape(indices, [...indices.shape, 1]), rows);
}

/** `x` with `rows` [N, ...] added at `places` (int64 [N, k]) of its first k axes. It has no derivative. */
export function addAt(x: Tensor, places: Tensor, rows: Tensor): Tensor {
  return apply(scatterNdOperator, [x, places, rows], { reduction: "add" })[0]!;
}

const shapeOperator: Operator = {
  onnx: { type: "Shape" },
  infer: ([x]) => [{ dtype: "int64", shape: [x!.shape.length] }],
};

function shapeOf(x: Tensor): Tensor {
  return apply(shapeOperator, [x])[0]!;
}

const leadingShapeOperator: Operator = {
  onnx: { type: "Shape" },
  infer: ([x]) => [{ dtype: "int64", shape: [x!.shape.length - 1] }],
};

/** Rows [rows, N] under the leading axes of `like`, [..., N]. It has no derivative. */
export function unflattenRows(rows: Tensor, like: Tensor): Tensor {
  const size = rows.shape[1] as number;
  const leadingShape = apply(leadingShapeOperator, [like], { end: -1 })[0]!;
  const rowSize = constant("int64", [1], BigInt64Array.of(BigInt(size)));
  const target = join([leadingShape, rowSize], 0, like.shape.length);
  return apply(reshapeOperator([...like.shape.slice(0, -1), size]), [rows, target])[0]!;
}

const zero = constant("float32", [], new Float32Array(1));

export function zerosLike(x: Tensor): Tensor {
  return expandLike(zero, x);
}

function expandOperator(shape: Shape): Operator {
  return { onnx: { type: "Expand" }, infer: ([x]) => [{ dtype: x!.dtype, shape }] };
}

/** `x` repeated along its axes of size 1 until it has the shape of `like`. Used in derivatives only. */
export function expandLike(x: Tensor, like: Tensor): Tensor {
  if (formatShape(x.shape) === formatShape(like.shape)) return x;
  return apply(expandOperator(like.shape), [x, shapeOf(like)])[0]!;
}
