import { afterAll, describe, expect, test } from "vitest";
import { openSafetensorsFile } from "../../node/formats/safetensors.ts";
import { DYNAMIC_MAP, dequantizeNF4, quantizeNF4 } from "./nf4.ts";

// Made by reference/nf4.py with bitsandbytes.
const golden = await openSafetensorsFile("fixtures/quantization/nf4.safetensors");
const offsets: Record<string, number> = JSON.parse(golden.metadata.get("offsets")!);
afterAll(() => golden.close());

/** The bits of float32 numbers, so that -0 differs from 0 and nothing is rounded. */
const bits = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

test("the dynamic map equals bitsandbytes' to the bit", async () => {
  expect(bits(DYNAMIC_MAP)).toEqual(bits(await golden.readFloat32("dynamic_map")));
});

describe.each(Object.keys(offsets))("%s", async (name) => {
  const values = await golden.readFloat32(`${name}.values`);

  test("codes, scales and values equal bitsandbytes' to the bit", async () => {
    const quantized = quantizeNF4(values, { doubleQuantization: false });
    expect(quantized.codes).toEqual(await golden.readBytes(`${name}.codes`));
    expect(bits(quantized.absmax)).toEqual(bits(await golden.readFloat32(`${name}.absmax`)));
    expect(bits(dequantizeNF4(quantized))).toEqual(bits(await golden.readFloat32(`${name}.dequantized`)));
  });

  test("second-level codes, scales and offset equal bitsandbytes' to the bit", async () => {
    const { nested } = quantizeNF4(values, { doubleQuantization: true });
    expect(nested!.offset).toBe(offsets[name]);
    expect(nested!.codes).toEqual(await golden.readBytes(`${name}.nested_codes`));
    expect(bits(nested!.absmax)).toEqual(bits(await golden.readFloat32(`${name}.nested_absmax`)));
  });
});

test("of quantized scales a few in a thousand are nearer than bitsandbytes', and the others equal", async () => {
  const scales = await golden.readFloat32("scales");
  const theirs = await golden.readBytes("scales.codes");
  const weights = new Float32Array(64 * scales.length);
  for (const [block, scale] of scales.entries()) weights[64 * block] = scale;
  const { codes, absmax, offset } = quantizeNF4(weights, { doubleQuantization: true }).nested!;
  expect(offset).toBe(JSON.parse(golden.metadata.get("scales_offset")!));
  expect(bits(absmax)).toEqual(bits(await golden.readFloat32("scales.absmax")));
  const differing = [...codes.keys()].filter((i) => codes[i] !== theirs[i]);
  expect(differing.length).toBeGreaterThan(0);
  expect(differing.length / codes.length).toBeLessThan(0.005);
  for (const i of differing) {
    const scaled = (scales[i]! - offset) / absmax[i >> 8]!;
    const distance = (code: number) => Math.abs(DYNAMIC_MAP[code]! - scaled);
    // A scale near the middle of two codes, for which bitsandbytes takes the farther.
    expect(distance(codes[i]!)).toBeLessThan(distance(theirs[i]!));
    expect(distance(theirs[i]!) - distance(codes[i]!)).toBeLessThan(5e-5);
  }
});

test("a weight that is not a number shows in its block's scale", () => {
  const weights = new Float32Array(128).fill(0.5);
  weights[70] = Number.NaN;
  expect(quantizeNF4(weights, { doubleQuantization: false }).absmax).toEqual(
    Float32Array.of(0.5, Number.NaN),
  );
});
