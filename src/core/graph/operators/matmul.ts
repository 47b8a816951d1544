/** @file Matrix products, with transposed operands and a scale folded in, and their derivative. */

import { apply, type Dim, formatShape, type Operator, type Shape, type Tensor } from "../tensor.ts";
import { reshape } from "./movement.ts";
import { sumToShape } from "./reduction.ts";

export interface MatmulOptions {
  /** Take the first operand with its last two axes exchanged. */
  readonly transA?: boolean;
  /** Take the second operand with its last two axes exchanged. */
  readonly transB?: boolean;
  /** A constant factor of the product. */
  readonly alpha?: number;
}

function swapLast(shape: Shape, swap: boolean): Shape {
  return swap ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape;
}

function inferMatmul(a: Shape, b: Shape, transA: boolean, transB: boolean): Shape {
  const left = swapLast(a, transA);
  const right = swapLast(b, transB);
  const batchesAgree =
    right.length === 2 || formatShape(left.slice(0, -2)) === formatShape(right.slice(0, -2));
  if (left.at(-1) !== right.at(-2) || !batchesAgree) {
    throw new Error(`Shapes ${formatShape(left)} and ${formatShape(right)} cannot be multiplied.`);
  }
  return [...left.slice(0, -1), right.at(-1)!];
}

/** [..., K] as [rows, K], so that the rows of a batch are summed over by one product. */
export function flattenRows(x: Tensor): Tensor {
  return x.shape.length === 2 ? x : reshape(x, [flatRows(x.shape), x.shape.at(-1)!]);
}

function flatRows(shape: Shape): Dim {
  const leading = shape.slice(0, -1);
  if (leading.every((dim) => typeof dim === "number"))
    return leading.reduce((product, dim) => product * dim, 1);
  return leading.join("*");
}

const fusedMatMul: Operator = {
  onnx: { type: "FusedMatMul", domain: "com.microsoft" },
  infer: ([a, b], { transA, transB }) => [
    { dtype: a!.dtype, shape: inferMatmul(a!.shape, b!.shape, transA === 1, transB === 1) },
  ],
  derivative: ({ inputs: [a, b], attributes }, [dy], needs) => {
    const transA = attributes.transA === 1;
    const transB = attributes.transB === 1;
    const alpha = attributes.alpha as number;
    // With A' and B' the operands as multiplied: dA' = dY B'^T and dB' = A'^T dY, each transposed back if need be.
    const gradientOfA = () =>
      transA
        ? matmul(b!, dy!, { transA: transB, transB: true, alpha })
        : matmul(dy!, b!, { transB: !transB, alpha });
    const gradientOfB = () => {
      const shared = b!.shape.length === 2 && a!.shape.length > 2;
      const left = shared ? flattenRows(a!) : a!;
      const right = shared ? flattenRows(dy!) : dy!;
      return transB
        ? matmul(right, left, { transA: true, transB: transA, alpha })
        : matmul(left, right, { transA: !transA, alpha });
    };
    return [needs(0) ? gradientOfA() : undefined, needs(1) ? gradientOfB() : undefined];
  },
};

/**
 * Matrix product `alpha * A' B'` over the last two axes. `b` has the batch axes of `a`, or two axes and is then
 * shared by all batches (`transA` is not allowed in that case).
 *
 * @example
 * const scores = matmul(
 *   input("queries", "float32", ["B", "S", 64]),
 *   input("keys", "float32", ["B", "S", 64]),
 *   { transB: true, alpha: 1 / 8 },
 * );
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transA = false, transB = false, alpha = 1 } = options;
  if (transA && a.shape.length > 2 && b.shape.length === 2) {
    throw new Error("A batched first operand cannot be transposed against a shared second one.");
  }
  return apply(fusedMatMul, [a, b], { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha })[0]!;
}

const repeatingMatMul: Operator = {
  onnx: { type: "FusedMatMul", domain: "com.microsoft" },
  infer: ([a, b], { transB }) => [
    { dtype: a!.dtype, shape: [...a!.shape.slice(0, -1), swapLast(b!.shape, transB === 1).at(-1)!] },
  ],
  derivative: ({ inputs: [a, b], attributes }, [dy], needs) => {
    const transB = attributes.transB === 1;
    const [left, right] = transB ? [dy!, a!] : [a!, dy!];
    return [
      needs(0) ? broadcastMatmul(dy!, b!, { transB: !transB }) : undefined,
      needs(1) ? sumToShape(matmul(left, right, { transA: true }), b!.shape) : undefined,
    ];
  },
};

/** Matrix product `A B'` over the last two axes, where axes of `b` before them may be 1 and are then repeated for `a`'s. */
export function broadcastMatmul(
  a: Tensor,
  b: Tensor,
  { transB = false }: Pick<MatmulOptions, "transB"> = {},
): Tensor {
  if (a.shape.at(-1) !== swapLast(b.shape, transB).at(-2) || a.shape.length !== b.shape.length) {
    throw new Error(`Shapes ${formatShape(a.shape)} and ${formatShape(b.shape)} cannot be multiplied.`);
  }
  return apply(repeatingMatMul, [a, b], { transB: transB ? 1 : 0 })[0]!;
}
