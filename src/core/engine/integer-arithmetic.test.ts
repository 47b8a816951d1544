import { expect, test } from "vitest";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { deviceCases } from "../runtime/device-cases.fixture.ts";
import { findInputBits } from "./integer-arithmetic.ts";

const device = openDevice("cpu", { threads: 1 });
const model = "fixtures/reference/models/llama";

test("gradients in integers point where those of the same weights made dense point", async () => {
  const bits = await findInputBits(device);
  expect([7, 8]).toContain(bits);
  // Rounding to 7 bits errs twice as far, which takes four times as much from the cosine.
  const least = { 7: 0.98, 8: 0.995 }[bits];
  for (const name of ["int8", "int8 by segments", "QLoRA", "QLoRA by segments"]) {
    const each = deviceCases.find((one) => one.name === name)!;
    const expected = await each.run(device, model);
    const results = await each.run(device, model, { inputBits: bits });
    for (const [result, values] of Object.entries(expected)) {
      const found = Array.from(results[result]!);
      const product = found.reduce((sum, value, i) => sum + value * values[i]!, 0);
      const cosine = product / Math.hypot(...found) / Math.hypot(...Array.from(values));
      expect(cosine, result).toBeGreaterThan(least);
      expect(found, result).not.toEqual(Array.from(values));
    }
  }
});
