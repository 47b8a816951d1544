import { afterAll, describe, expect, test } from "vitest";
import { openSafetensorsFile } from "../../node/formats/safetensors.ts";
import { dequantizeInt8, quantizeInt8 } from "./int8.ts";

// Made by reference/int8.py with bitsandbytes.
const golden = await openSafetensorsFile("fixtures/quantization/int8.safetensors");
afterAll(() => golden.close());
const names = [...golden.tensors.keys()].filter((name) => name.endsWith(".values"));

describe.each(names.map((name) => name.replace(".values", "")))("%s", async (name) => {
  const values = await golden.readFloat32(`${name}.values`);
  const quantized = quantizeInt8(values, golden.tensors.get(`${name}.values`)!.shape[0]!);

  test("codes and rows' largest magnitudes equal bitsandbytes'", async () => {
    expect(new Uint8Array(quantized.codes.buffer)).toEqual(await golden.readBytes(`${name}.codes`));
    const absmax = await golden.readFloat32(`${name}.absmax`);
    expect(quantized.scales).toEqual(absmax.map((max) => max / 127));
  });

  test("values equal bitsandbytes' up to float32's rounding", async () => {
    const expected = await golden.readFloat32(`${name}.dequantized`);
    for (const [i, value] of dequantizeInt8(quantized).entries())
      expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(2 ** -22 * Math.abs(expected[i]!));
  });
});
