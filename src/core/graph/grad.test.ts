import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import type { HostTensor } from "../runtime/device.ts";
import { grad, vjp } from "./grad.ts";
import {
  add,
  cast,
  div,
  exp,
  less,
  log,
  mul,
  neg,
  sigmoid,
  sqrt,
  sub,
  tanh,
  where,
} from "./operators/elementwise.ts";
import { broadcastMatmul, matmul } from "./operators/matmul.ts";
import { concat, gather, reshape, separate, split, transpose } from "./operators/movement.ts";
import { linearCrossEntropy, rmsNorm, rotate, silu } from "./operators/neural-network.ts";
import { reduceMean, reduceSum, softmax } from "./operators/reduction.ts";
import { constant, input, type Shape, scalar, type Tensor } from "./tensor.ts";

const device = openDevice("cpu", { threads: 1 });

/** A function under test: float32 inputs of the given shapes, and what is computed from them. */
interface Case {
  readonly shapes: readonly (readonly number[])[];
  /** Range of the inputs' values. */
  readonly range?: readonly [number, number];
  readonly build: (...inputs: Tensor[]) => Tensor;
}

/**
 * Compares every input's gradient with central differences of a random projection of the output, in the direction
 * of a random vector.
 */
async function expectDerivative({ shapes, range = [-2, 2], build }: Case, seed: number): Promise<void> {
  const uniform = generator(seed);
  const inputs = shapes.map((shape, i) => input(`x${i}`, "float32", shape));
  const y = build(...inputs);
  const projection = input("projection", "float32", y.shape);
  const value = reduceSum(mul(y, projection), [...y.shape.keys()]);
  const gradients = grad(value, inputs);
  const program = await device.compile({
    value,
    ...Object.fromEntries(gradients.map((gradient, i) => [`g${i}`, gradient])),
  });
  const draw = (shape: Shape, [low, high]: readonly [number, number]): HostTensor => {
    const dims = shape as number[];
    const size = dims.reduce((product, dim) => product * dim, 1);
    return {
      dtype: "float32",
      dims,
      data: Float32Array.from({ length: size }, () => low + (high - low) * uniform()),
    };
  };
  const feeds: Record<string, HostTensor> = { projection: draw(y.shape, [-1, 1]) };
  for (const [i, shape] of shapes.entries()) feeds[`x${i}`] = draw(shape, range);
  const results = await program.run(feeds);

  for (const [i, shape] of shapes.entries()) {
    const direction = draw(shape, [-1, 1]);
    const along = async (step: number): Promise<number> => {
      const moved = (feeds[`x${i}`]!.data as Float32Array).map(
        (x, j) => x + step * (direction.data[j] as number),
      );
      const { value: result } = await program.run({
        ...feeds,
        [`x${i}`]: { ...feeds[`x${i}`]!, data: moved },
      });
      return result!.data[0] as number;
    };
    const step = 1 / 256;
    const numeric = ((await along(step)) - (await along(-step))) / (2 * step);
    const gradient = results[`g${i}`]!;
    expect(gradient.dims).toEqual(shape);
    const analytic = (gradient.data as Float32Array).reduce(
      (sum, g, j) => sum + g * (direction.data[j] as number),
      0,
    );
    const size = direction.data.length;
    expect(Math.abs(analytic - numeric), `input ${i} of shape [${shape}]`).toBeLessThan(
      2e-3 * (Math.abs(numeric) + Math.sqrt(size) + 1),
    );
  }
  await program.release();
}

function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const size = fc.integer({ min: 1, max: 5 });
const seed = fc.integer({ min: 0, max: 2 ** 31 });
const dims = fc.array(size, { minLength: 1, maxLength: 4 });
/** A shape and one that broadcasts with it: some axes 1, some leading ones left out. */
const broadcastPair = dims.chain((shape) =>
  fc
    .tuple(
      fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length }),
      fc.nat(shape.length - 1),
    )
    .map(([ones, drop]): [number[], number[]] => [
      shape,
      shape.map((dim, axis) => (ones[axis] ? 1 : dim)).slice(drop),
    ]),
);

const int64 = (shape: number[], values: number[]) =>
  constant("int64", shape, BigInt64Array.from(values, BigInt));

const cases: Record<string, fc.Arbitrary<Case>> = {
  add: broadcastPair.map((shapes) => ({ shapes, build: add })),
  sub: broadcastPair.map((shapes) => ({ shapes, build: sub })),
  mul: broadcastPair.map((shapes) => ({ shapes, build: mul })),
  div: broadcastPair.map((shapes) => ({ shapes, range: [1, 2], build: div })),
  neg: dims.map((shape) => ({ shapes: [shape], build: neg })),
  exp: dims.map((shape) => ({ shapes: [shape], range: [-1, 1], build: exp })),
  log: dims.map((shape) => ({ shapes: [shape], range: [1, 2], build: log })),
  sqrt: dims.map((shape) => ({ shapes: [shape], range: [1, 2], build: sqrt })),
  sigmoid: dims.map((shape) => ({ shapes: [shape], build: sigmoid })),
  tanh: dims.map((shape) => ({ shapes: [shape], build: tanh })),
  silu: dims.map((shape) => ({ shapes: [shape], build: silu })),
  where: broadcastPair.map(([shape, other]) => ({
    shapes: [shape, other],
    build: (a, b) => where(less(constant("float32", [1], Float32Array.of(0)), scalar(1)), a, b),
  })),
  cast: dims.map((shape) => ({ shapes: [shape], build: (x) => mul(cast(x, "float32"), x) })),
  reduceSum: dims.chain((shape) =>
    fc.tuple(fc.subarray([...shape.keys()], { minLength: 1 }), fc.boolean()).map(([axes, keepDims]) => ({
      shapes: [shape],
      build: (x) => reduceSum(mul(x, x), axes, { keepDims }),
    })),
  ),
  reduceMean: dims.map((shape) => ({ shapes: [shape], build: (x) => reduceMean(mul(x, x), -1) })),
  softmax: dims.map((shape) => ({ shapes: [shape], build: softmax })),
  reshape: fc.tuple(size, size, size).map(([a, b, c]) => ({
    shapes: [[a, b, c]],
    build: (x) => mul(reshape(x, [a * b, c]), reshape(x, [a * b, c])),
  })),
  transpose: fc
    .tuple(size, size, size, fc.shuffledSubarray([0, 1, 2], { minLength: 3 }))
    .map(([a, b, c, perm]) => ({ shapes: [[a, b, c]], build: (x) => transpose(mul(x, x), perm) })),
  split: fc.tuple(size, size, size, fc.nat(1)).map(([count, part, other, axis]) => ({
    shapes: [axis === 0 ? [count * part, other] : [other, count * part]],
    build: (x) => split(x, axis, count, part).reduce((product, each) => mul(product, each)),
  })),
  separate: fc.tuple(size, size, size, fc.nat(1)).map(([a, b, c, which]) => ({
    shapes: [[a, b + c]],
    build: (x) => separate(mul(x, x), 1, int64([2], [b, c]), [b, c])[which]!,
  })),
  concat: fc.tuple(size, size, fc.nat(1)).map(([a, b, axis]) => ({
    shapes: [
      [a, b],
      [a, b],
    ],
    build: (x, y) => concat([mul(x, y), y, x], axis),
  })),
  gather: fc
    .tuple(size, size, fc.array(fc.nat(100), { minLength: 1, maxLength: 6 }))
    .map(([rows, width, raw]) => ({
      shapes: [[rows, width]],
      build: (x) => {
        const indices = raw.map((value) => value % rows);
        return gather(mul(x, x), int64([indices.length], indices));
      },
    })),
  matmul: fc
    .tuple(size, size, size, size, fc.boolean(), fc.boolean(), fc.boolean(), fc.constantFrom(1, 0.5))
    .filter(([, , , , transA, , shared]) => !(transA && shared))
    .map(([batch, m, k, n, transA, transB, shared, alpha]) => {
      const b = transB ? [n, k] : [k, n];
      return {
        shapes: [[batch, ...(transA ? [k, m] : [m, k])], shared ? b : [batch, ...b]],
        build: (x, y) => matmul(x, y, { transA, transB, alpha }),
      };
    }),
  broadcastMatmul: fc
    .tuple(size, size, size, size, size, fc.boolean(), fc.boolean(), fc.boolean())
    .map(([a, b, m, k, n, transB, repeatsA, repeatsB]) => ({
      shapes: [
        [a, b, m, k],
        [repeatsA ? 1 : a, repeatsB ? 1 : b, ...(transB ? [n, k] : [k, n])],
      ],
      build: (x, y) => broadcastMatmul(x, y, { transB }),
    })),
  rmsNorm: fc.tuple(size, size, size).map(([a, b, c]) => ({
    shapes: [[a, b, c], [c]],
    range: [0.5, 2],
    build: (x, weight) => rmsNorm(x, weight, 1e-5),
  })),
  rotate: fc.tuple(size, size, size, size, fc.nat(2)).map(([batch, length, heads, half, kept]) => ({
    shapes: [[batch, length, heads * 2 * (half + kept)]],
    build: (x) => {
      const angles = Float32Array.from({ length: 8 * half }, (_, i) => i * 0.7);
      const positions = Array.from({ length: batch * length }, (_, i) => i % 8);
      return rotate(
        x,
        int64([batch, length], positions),
        constant("float32", [8, half], angles.map(Math.cos)),
        constant("float32", [8, half], angles.map(Math.sin)),
        2 * (half + kept),
      );
    },
  })),
  linearCrossEntropy: fc.tuple(size, size, fc.integer({ min: 2, max: 7 })).map(([rows, width, classes]) => ({
    shapes: [
      [rows, width],
      [classes, width],
    ],
    build: (x, weight) =>
      linearCrossEntropy(
        x,
        weight,
        int64(
          [rows],
          Array.from({ length: rows }, (_, i) => (i * 3) % classes),
        ),
      ),
  })),
  expand: fc.tuple(size, size).map(([a, b]) => ({
    shapes: [
      [a, b],
      [a, 1],
    ],
    build: (x, y) => mul(x, sub(x, y)),
  })),
};

describe("every operator's derivative equals finite differences", () => {
  test.each(Object.entries(cases))("%s", async (_name, arbitrary) => {
    await fc.assert(
      fc.asyncProperty(arbitrary, seed, (example, start) => expectDerivative(example, start)),
      { numRuns: 15 },
    );
  });
});

test("a frozen operand's gradient is not built", () => {
  const x = input("x", "float32", [2, 3]);
  const frozen = input("frozen", "float32", [3, 4]);
  const [gradient] = vjp([matmul(x, frozen)], [input("dy", "float32", [2, 4])], [x]);
  expect(gradient!.shape).toEqual([2, 3]);
});

test("a parameter without influence is refused", () => {
  const x = input("x", "float32", []);
  expect(() => grad(x, [input("unused", "float32", [])])).toThrow('"unused" does not influence');
});
