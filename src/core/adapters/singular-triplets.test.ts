import { expect, test } from "vitest";
import { openSafetensorsFile } from "../../node/formats/safetensors.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { listLinearModules, nameInLayer } from "../architectures/modules.ts";
import { createRandom } from "../random.ts";
import { createTripletFinder, type SingularTriplets } from "./singular-triplets.ts";

const finder = await createTripletFinder(openDevice("cpu", { threads: 1 }));

/** Largest element of V V^T - 1 for the rows V. */
function orthonormalityError(rows: readonly Float64Array[]): number {
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  return Math.max(...rows.flatMap((a, i) => rows.map((b, j) => Math.abs(dot(a, b) - (i === j ? 1 : 0)))));
}

/** The sum of values[i] left[i] right[i]^T. */
function reconstruct({ values, left, right }: SingularTriplets): Float32Array {
  const width = right[0]!.length;
  return Float32Array.from({ length: left[0]!.length * width }, (_, n) =>
    values.reduce(
      (sum, value, i) => sum + value * left[i]![Math.floor(n / width)]! * right[i]![n % width]!,
      0,
    ),
  );
}

// Made by reference/training.py with torch.linalg.svdvals.
const golden = await openSafetensorsFile("fixtures/reference/training/pissa-initial.safetensors");
const checkpoint = await openCheckpoint("fixtures/reference/models/llama");
const modules = listLinearModules(checkpoint.config);

test.each(modules)("singular values of $name equal PyTorch's", async ({ name, outFeatures, inFeatures }) => {
  const fullName = nameInLayer(0, name);
  const weight = await checkpoint.read(`${fullName}.weight`, [outFeatures, inFeatures]);
  const { values, left, right } = await finder.find(weight, outFeatures, 4, createRandom(1));
  const expected = (await golden.readFloat32(`singular_values.${fullName}`)).subarray(0, 4);
  for (const [i, value] of values.entries())
    expect(Math.abs(value - expected[i]!) / expected[i]!).toBeLessThan(1e-5);
  expect(orthonormalityError(left)).toBeLessThan(1e-5);
  expect(orthonormalityError(right)).toBeLessThan(1e-5);
});

test("as many triplets as there are make the matrix", async () => {
  const random = createRandom(2);
  const weight = Float32Array.from({ length: 9 * 5 }, () => random.normal());
  const made = reconstruct(await finder.find(weight, 9, 5, createRandom(3)));
  for (const [i, value] of made.entries()) expect(Math.abs(value - weight[i]!)).toBeLessThan(1e-5);
});

test("of a matrix of lower rank the other triplets are zero", async () => {
  const weight = Float32Array.from(
    { length: 12 * 20 },
    (_, n) => Math.sin(Math.floor(n / 20)) * Math.cos(n % 20),
  );
  const triplets = await finder.find(weight, 12, 3, createRandom(4));
  expect(triplets.values[1]! / triplets.values[0]!).toBeLessThan(1e-6);
  const made = reconstruct(triplets);
  for (const [i, value] of made.entries()) expect(Math.abs(value - weight[i]!)).toBeLessThan(1e-5);
});

test("singular values of very different size are found", async () => {
  const random = createRandom(7);
  const expected = [
    1000,
    30,
    3,
    1,
    0.3,
    0.29,
    0.28,
    ...Array.from({ length: 23 }, (_, i) => 0.2 - 0.005 * i),
  ];
  // Products of reflections are orthogonal.
  const orthogonal = (size: number) => {
    let rows = Array.from({ length: size }, (_, i) =>
      Float64Array.from({ length: size }, (_, j) => (i === j ? 1 : 0)),
    );
    for (let n = 0; n < size; n++) {
      const vector = Float64Array.from({ length: size }, () => random.normal());
      const square = vector.reduce((sum, value) => sum + value * value, 0);
      rows = rows.map((row) => {
        const along = (2 * row.reduce((sum, value, j) => sum + value * vector[j]!, 0)) / square;
        return row.map((value, j) => value - along * vector[j]!);
      });
    }
    return rows;
  };
  const weight = reconstruct({
    values: Float64Array.from(expected),
    left: orthogonal(50).slice(0, 30),
    right: orthogonal(30),
  });
  const { values } = await finder.find(weight, 50, 6, createRandom(8));
  for (const [i, value] of values.entries())
    expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-6 * expected[0]!);
});

test("a matrix of zeros has no triplets that are not zero", async () => {
  const { values, left, right } = await finder.find(new Float32Array(12 * 20), 12, 3, createRandom(9));
  expect([...values]).toEqual([0, 0, 0]);
  expect([...left, ...right].every((row) => row.every(Number.isFinite))).toBe(true);
});

test("equal draws give equal bits", async () => {
  const random = createRandom(5);
  const weight = Float32Array.from({ length: 40 * 30 }, () => random.normal());
  const first = await finder.find(weight, 40, 4, createRandom(6));
  expect(await finder.find(weight, 40, 4, createRandom(6))).toEqual(first);
});

test("a matrix with columns of zeros, and as many triplets as there are, make it", async () => {
  const random = createRandom(5);
  const weight = Float32Array.from({ length: 6 * 6 }, (_, n) => (n % 6 < 2 ? random.normal() : 0));
  const made = reconstruct(await finder.find(weight, 6, 6, createRandom(6)));
  for (const [i, value] of made.entries()) expect(Math.abs(value - weight[i]!)).toBeLessThan(1e-5);
});
