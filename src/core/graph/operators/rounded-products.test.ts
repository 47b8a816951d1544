import fc from "fast-check";
import { expect, test } from "vitest";
import { openDevice } from "../../../node/runtime/onnx-runtime.ts";
import { findInputBits } from "../../engine/integer-arithmetic.ts";
import { quantizeInt8 } from "../../quantization/int8.ts";
import { float32 } from "../../runtime/device.ts";
import { vjp } from "../grad.ts";
import { input } from "../tensor.ts";
import { type InputBits, matmulRounded } from "./rounded-products.ts";

const device = openDevice("cpu", { threads: 1 });
/** Columns that are not rounded, at most. */
const apart = { 7: 96, 8: 32 };
/** 8 bits where they do not overflow. */
const mostBits = await findInputBits(device);
const size = (max: number) => fc.integer({ min: 1, max });

/** Rows rounded as the graph rounds them, in JavaScript. */
function roundRows(x: Float32Array, width: number, bits: InputBits): Float32Array {
  const largest = 2 ** (bits - 1) - 1;
  return x.map((value, i) => {
    const start = i - (i % width);
    const scale = Math.max(...x.subarray(start, start + width).map(Math.abs)) / largest;
    return scale === 0 ? 0 : Math.round(value / scale) * scale;
  });
}

/** Whether each column is among the `count` of the largest magnitudes, of equal ones the first. */
function largestColumns(x: Float32Array, width: number, count: number): boolean[] {
  const magnitudes = Array.from({ length: width }, (_, column) =>
    x.reduce((most, value, i) => (i % width === column ? Math.max(most, Math.abs(value)) : most), 0),
  );
  const order = [...magnitudes.keys()].sort((a, b) => magnitudes[b]! - magnitudes[a]!);
  const largest = new Set(order.slice(0, count));
  return magnitudes.map((_, column) => largest.has(column));
}

test("products are those of rounded rows but for the largest columns, derivatives those of rounded rows", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(size(3), size(20), size(9), size(400), fc.constantFrom<InputBits>(7, mostBits)),
      fc.infiniteStream(fc.integer({ min: -1000, max: 1000 }).map((value) => value / 500)),
      async ([batch, length, outFeatures, inFeatures, bits], stream) => {
        const draw = (count: number) => Float32Array.from([...stream.take(count)]);
        const { codes, scales } = quantizeInt8(draw(outFeatures * inFeatures), outFeatures);
        const operand = {
          codes: input("codes", "int8", [outFeatures, inFeatures]),
          scales: input("scales", "float32", [outFeatures]),
        };
        const x = input("x", "float32", ["B", "S", inFeatures]);
        const dy = input("dy", "float32", ["B", "S", outFeatures]);
        const y = matmulRounded(x, () => operand, bits);
        const program = await device.compile({ y, dx: vjp([y], [dy], [x])[0]! });
        const rows = batch * length;
        const [xs, dys] = [draw(rows * inFeatures), draw(rows * outFeatures)];
        xs.fill(0, 0, inFeatures);
        const results = await program.run({
          codes: { dtype: "int8", dims: [outFeatures, inFeatures], data: codes },
          scales: float32(scales, [outFeatures]),
          x: float32(xs, [batch, length, inFeatures]),
          dy: float32(dys, [batch, length, outFeatures]),
        });
        await program.release();
        expect(results.y!.dims).toEqual([batch, length, outFeatures]);
        const isApart = largestColumns(xs, inFeatures, Math.max(1, Math.min(apart[bits], inFeatures >> 2)));
        const rest = roundRows(
          xs.map((value, i) => (isApart[i % inFeatures] ? 0 : value)),
          inFeatures,
          bits,
        );
        const rounded = xs.map((value, i) => (isApart[i % inFeatures] ? value : rest[i]!));
        const roundedGradient = roundRows(
          dys.map((value, i) => value * scales[i % outFeatures]!),
          outFeatures,
          bits,
        );
        // A value halfway between two integers may go either way: half a scale times a weight.
        const tolerance = 2 * 2 ** -(bits - 1) * 2 + 1e-3;
        for (let row = 0; row < rows; row++) {
          for (let out = 0; out < outFeatures; out++) {
            let sum = 0;
            for (let i = 0; i < inFeatures; i++)
              sum += rounded[row * inFeatures + i]! * codes[out * inFeatures + i]! * scales[out]!;
            expect(Math.abs((results.y!.data[row * outFeatures + out] as number) - sum)).toBeLessThan(
              tolerance,
            );
          }
          for (let i = 0; i < inFeatures; i++) {
            let sum = 0;
            for (let out = 0; out < outFeatures; out++)
              sum += roundedGradient[row * outFeatures + out]! * codes[out * inFeatures + i]!;
            expect(Math.abs((results.dx!.data[row * inFeatures + i] as number) - sum)).toBeLessThan(
              tolerance,
            );
          }
        }
      },
    ),
    { numRuns: 15 },
  );
});
