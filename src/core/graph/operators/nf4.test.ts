import fc from "fast-check";
import { expect, test } from "vitest";
import { openDevice } from "../../../node/runtime/onnx-runtime.ts";
import { dequantizeNF4, quantizeNF4 } from "../../quantization/nf4.ts";
import { float32 } from "../../runtime/device.ts";
import { vjp } from "../grad.ts";
import { input } from "../tensor.ts";
import { dequantizeNF4 as dequantize, matmulNF4, type NF4Operand } from "./nf4.ts";

const device = openDevice("cpu", { threads: 1 });

/** Sizes of which the product of the last two is a multiple of NF4's blocks. */
const sizes = fc
  .tuple(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 3 }))
  .map(([rows, outFeatures, blocks]) => ({ rows, outFeatures, inFeatures: 64 * blocks }));

test("NF4 weights are dequantized to the bit, and products and derivatives use them", async () => {
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.infiniteStream(fc.integer({ min: -1000, max: 1000 }).map((value) => value / 500)),
      fc.constantFrom(undefined, 1024),
      async (shape, stream, denseBytes) => {
        const { rows, outFeatures, inFeatures } = shape;
        const draw = (count: number) => Float32Array.from([...stream.take(count)]);
        const quantized = quantizeNF4(draw(outFeatures * inFeatures), { doubleQuantization: true });
        const expected = dequantizeNF4(quantized);
        const operand: NF4Operand = {
          outFeatures,
          inFeatures,
          codes: input("codes", "uint8", [quantized.codes.length]),
          absmax: input("absmax", "float32", [quantized.absmax.length]),
        };
        const x = input("x", "float32", [rows, inFeatures]);
        const y = matmulNF4(x, operand, denseBytes);
        const dy = input("dy", "float32", [rows, outFeatures]);
        const [dx] = vjp([y], [dy], [x]);
        const program = await device.compile({ dense: dequantize(operand), y, dx: dx! });
        const [xs, dys] = [draw(rows * inFeatures), draw(rows * outFeatures)];
        const results = await program.run({
          codes: { dtype: "uint8", dims: [quantized.codes.length], data: quantized.codes },
          absmax: float32(quantized.absmax, [quantized.absmax.length]),
          x: float32(xs, [rows, inFeatures]),
          dy: float32(dys, [rows, outFeatures]),
        });
        await program.release();
        expect(results.dense!.data).toEqual(expected);
        for (let row = 0; row < rows; row++) {
          for (let out = 0; out < outFeatures; out++) {
            let sum = 0;
            for (let i = 0; i < inFeatures; i++)
              sum += xs[row * inFeatures + i]! * expected[out * inFeatures + i]!;
            expect(Math.abs((results.y!.data[row * outFeatures + out] as number) - sum)).toBeLessThan(1e-3);
          }
          for (let i = 0; i < inFeatures; i++) {
            let sum = 0;
            for (let out = 0; out < outFeatures; out++)
              sum += dys[row * outFeatures + out]! * expected[out * inFeatures + i]!;
            expect(Math.abs((results.dx!.data[row * inFeatures + i] as number) - sum)).toBeLessThan(1e-3);
          }
        }
      },
    ),
    { numRuns: 25 },
  );
});
