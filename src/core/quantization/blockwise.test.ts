import fc from "fast-check";
import { expect, test } from "vitest";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import {
  type BlockwiseMatrix,
  bitWidths,
  blockSize,
  matmulBlockwise,
} from "../graph/operators/integer-matmul.ts";
import { input } from "../graph/tensor.ts";
import { createRandom } from "../random.ts";
import { float32 } from "../runtime/device.ts";
import { quantizeBlockwise, stackBlockwise } from "./blockwise.ts";

const device = openDevice("cpu", { threads: 1 });

/** The weights that the codes stand for. */
function dequantize({
  bits,
  outFeatures,
  inFeatures,
  codes,
  scales,
  zeroPoints,
}: BlockwiseMatrix): Float32Array {
  const blocks = scales.length / outFeatures;
  const read = (data: Uint8Array, index: number) =>
    bits === 8 ? data[index]! : (data[index >> 1]! >> (4 * (index & 1))) & 15;
  const perRow = Math.ceil((blocks * bits) / 8) * (8 / bits);
  return Float32Array.from({ length: outFeatures * inFeatures }, (_, i) => {
    const [row, column] = [Math.floor(i / inFeatures), i % inFeatures];
    const block = Math.floor(column / blockSize);
    const code = read(codes, (row * blocks + block) * blockSize + (column % blockSize));
    return scales[row * blocks + block]! * (code - read(zeroPoints, row * perRow + block));
  });
}

test.each(bitWidths)("%i bits: each weight moves by half a step at most, and zero stays", (bits) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 70 }),
      fc.integer(),
      (rows, columns, seed) => {
        const random = createRandom(seed);
        const weights = Float32Array.from({ length: rows * columns }, () =>
          random.uniform() < 0.1 ? 0 : random.normal(),
        );
        const matrix = quantizeBlockwise(weights, columns, bits);
        const back = dequantize(matrix);
        const blocks = Math.ceil(columns / blockSize);
        for (const [i, weight] of weights.entries()) {
          const block = Math.floor(i / columns) * blocks + Math.floor((i % columns) / blockSize);
          // Rounding the zero point may move a whole block by half a step more at its ends.
          expect(Math.abs(back[i]! - weight)).toBeLessThanOrEqual(1.001 * matrix.scales[block]!);
          if (weight === 0) expect(back[i]).toBeCloseTo(0, 12);
        }
      },
    ),
  );
});

test.each(bitWidths)("%i bits: stacked matrices are the rows of one", (bits) => {
  const random = createRandom(bits);
  const inFeatures = 96;
  const weights = Float32Array.from({ length: 9 * inFeatures }, () => random.normal());
  const quantize = (start: number, end: number) =>
    quantizeBlockwise(weights.subarray(start * inFeatures, end * inFeatures), inFeatures, bits);
  const stacked = stackBlockwise([quantize(0, 4), quantize(4, 5), quantize(5, 9)]);
  expect(stacked).toEqual(quantize(0, 9));
});

test.each(bitWidths)("%i bits: products are those of the weights that the codes stand for", async (bits) => {
  const random = createRandom(bits);
  const [rows, inFeatures, outFeatures] = [3, 96, 40];
  const weights = Float32Array.from({ length: outFeatures * inFeatures }, () => random.normal());
  const x = Float32Array.from({ length: rows * inFeatures }, () => random.normal());
  const matrix = quantizeBlockwise(weights, inFeatures, bits);
  const program = await device.compile({
    y: matmulBlockwise(input("x", "float32", ["N", inFeatures]), matrix),
  });
  const y = (await program.run({ x: float32(x, [rows, inFeatures]) })).y!.data as Float32Array;
  const back = dequantize(matrix);
  for (let row = 0; row < rows; row++) {
    for (let out = 0; out < outFeatures; out++) {
      let expected = 0;
      let size = 0;
      for (let i = 0; i < inFeatures; i++) {
        const product = x[row * inFeatures + i]! * back[out * inFeatures + i]!;
        expected += product;
        size += product * product;
      }
      // The inputs are rounded to 8 bits, so an error of about 1/127 of each product's size is random.
      expect(Math.abs(y[row * outFeatures + out]! - expected)).toBeLessThan(0.05 * Math.sqrt(size));
    }
  }
});
