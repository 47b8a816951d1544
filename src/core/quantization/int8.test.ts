import { afterAll, describe, expect, test } from "vitest";
import { openSafetensors } from "../formats/safetensors.ts";
import { dequantizeInt8, quantizeInt8 } from "./int8.ts";

// Made by reference/int8.py with bitsandbytes.
const golden = openSafetensors("fixtures/quantization/int8.safetensors");
afterAll(() => golden.close());
const names = [...golden.tensors.keys()].filter((name) => name.endsWith(".values"));

describe.each(names.map((name) => name.replace(".values", "")))("%s", (name) => {
  const values = golden.readFloat32(`${name}.values`);
  const quantized = quantizeInt8(values, golden.tensors.get(`${name}.values`)!.shape[0]!);

  test("codes and rows' largest magnitudes equal bitsandbytes'", () => {
    expect(new Uint8Array(quantized.codes.buffer)).toEqual(golden.readBytes(`${name}.codes`));
    const absmax = golden.readFloat32(`${name}.absmax`);
    expect(quantized.scales).toEqual(absmax.map((max) => max / 127));
  });

  test("values equal bitsandbytes' up to float32's rounding", () => {
    const expected = golden.readFloat32(`${name}.dequantized`);
    for (const [i, value] of dequantizeInt8(quantized).entries())
      expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(2 ** -22 * Math.abs(expected[i]!));
  });
});
