import fc from "fast-check";
import { expect, test } from "vitest";
import { openDevice } from "../../../node/runtime/onnx-runtime.ts";
import { dequantizeInt8, quantizeInt8 } from "../../quantization/int8.ts";
import { float32 } from "../../runtime/device.ts";
import { vjp } from "../grad.ts";
import { input } from "../tensor.ts";
import { dequantizeInt8 as dequantize, matmulInt8 } from "./int8.ts";

const device = openDevice("cpu", { threads: 1 });
const size = (max: number) => fc.integer({ min: 1, max });

test("int8 weights are dequantized to the bit, and products and derivatives use them", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(size(70), size(9), size(90)),
      fc.infiniteStream(fc.integer({ min: -1000, max: 1000 }).map((value) => value / 500)),
      async ([rows, outFeatures, inFeatures], stream) => {
        const draw = (count: number) => Float32Array.from([...stream.take(count)]);
        const quantized = quantizeInt8(draw(outFeatures * inFeatures), outFeatures);
        const expected = dequantizeInt8(quantized);
        const operand = {
          codes: input("codes", "int8", [outFeatures, inFeatures]),
          scales: input("scales", "float32", [outFeatures]),
        };
        const x = input("x", "float32", [rows, inFeatures]);
        const y = matmulInt8(x, operand);
        const dy = input("dy", "float32", [rows, outFeatures]);
        const [dx] = vjp([y], [dy], [x]);
        const program = await device.compile({ dense: dequantize(operand), y, dx: dx! });
        const [xs, dys] = [draw(rows * inFeatures), draw(rows * outFeatures)];
        const results = await program.run({
          codes: { dtype: "int8", dims: [outFeatures, inFeatures], data: quantized.codes },
          scales: float32(quantized.scales, [outFeatures]),
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
