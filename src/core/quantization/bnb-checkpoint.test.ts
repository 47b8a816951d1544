import { afterAll, expect, test } from "vitest";
import { openSafetensorsFile } from "../../node/formats/safetensors.ts";
import { InputError } from "../errors.ts";
import type { TensorInfo, WeightFile } from "../formats/weight-file.ts";
import { readBnbNF4 } from "./bnb-checkpoint.ts";
import { dequantizeNF4 } from "./nf4.ts";

// Made by reference/bnb_checkpoint.py with bitsandbytes.
const golden = await openSafetensorsFile("fixtures/quantization/bnb-checkpoint.safetensors");
afterAll(() => golden.close());

const bits = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

test.each(["plain", "nested"])("a %s weight has bitsandbytes' values to the bit", async (name) => {
  const weight = (await readBnbNF4(golden, `${name}.weight`))!;
  expect(weight.shape).toEqual(golden.tensors.get(`${name}.dequantized`)!.shape);
  expect(bits(dequantizeNF4(weight))).toEqual(bits(await golden.readFloat32(`${name}.dequantized`)));
});

test("a tensor that is not quantized is left to others", async () => {
  expect(await readBnbNF4(golden, "norm.weight")).toBeUndefined();
  expect(await readBnbNF4(golden, "no such tensor")).toBeUndefined();
});

/** The golden file with some tensors replaced, or removed where undefined. */
function change(changes: Record<string, Uint8Array | Float32Array | undefined>): WeightFile {
  const tensors = new Map<string, TensorInfo>(golden.tensors);
  for (const [name, data] of Object.entries(changes)) {
    if (!data) tensors.delete(name);
    else {
      const dtype = data instanceof Float32Array ? "F32" : "U8";
      tensors.set(name, { name, dtype, shape: [data.length], byteOffset: 0, byteLength: data.byteLength });
    }
  }
  return {
    ...golden,
    path: "model",
    tensors,
    readBytes: async (name) =>
      (changes[name] as Uint8Array<ArrayBuffer> | undefined) ?? golden.readBytes(name),
    readFloat32: async (name) => (changes[name] as Float32Array | undefined) ?? golden.readFloat32(name),
  };
}

const stateName = "plain.weight.quant_state.bitsandbytes__nf4";
const nestedStateName = "nested.weight.quant_state.bitsandbytes__nf4";

async function changeState(name: string, changes: object): Promise<Record<string, Uint8Array>> {
  const state = JSON.parse(new TextDecoder().decode(await golden.readBytes(name)));
  return { [name]: new TextEncoder().encode(JSON.stringify({ ...state, ...changes })) };
}

/** What a refused weight's sentence says between naming the weight and giving advice. */
async function refusal(
  name: string,
  changes: Record<string, Uint8Array | Float32Array | undefined>,
): Promise<string> {
  try {
    await readBnbNF4(change(changes), `${name}.weight`);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    const [, reason] =
      /^model: the quantized tensor "[a-z0-9]+\.weight" (.*); load the unquantized model, or one in bitsandbytes' NF4\.$/.exec(
        (error as Error).message,
      ) ?? [];
    return reason ?? (error as Error).message;
  }
  return "nothing is refused";
}

test.each([
  ["fp4", "is in FP4", {}],
  ["wide", "has blocks of 128 instead of 64", {}],
  ["plain", "lacks its quant_state", { [stateName]: undefined }],
  ["plain", "has a damaged quant_state", { [stateName]: new TextEncoder().encode("{") }],
  ["plain", "has a quant_state of 100000 bytes", { [stateName]: new Uint8Array(100_000) }],
  ["plain", 'is in "nf5"', await changeState(stateName, { quant_type: "nf5" })],
  ["plain", "has a damaged quant_state", await changeState(stateName, { shape: null })],
  [
    "plain",
    "has the shape [6, 63], which is no whole number of blocks",
    await changeState(stateName, { shape: [6, 63] }),
  ],
  [
    "plain",
    "has the shape [1099511627776, 1099511627776], which is no whole number of blocks",
    await changeState(stateName, { shape: [2 ** 40, 2 ** 40] }),
  ],
  [
    "plain",
    'has "plain.weight" of another type or size than its 384 bytes of U8',
    await changeState(stateName, { shape: [12, 64] }),
  ],
  ["plain", "has a quant_map that is not NF4's", { "plain.weight.quant_map": new Float32Array(16) }],
  [
    "plain",
    'has "plain.weight.quant_map" of another type or size than its 64 bytes of F32',
    { "plain.weight.quant_map": new Float32Array(15) },
  ],
  ["plain", 'lacks "plain.weight.absmax"', { "plain.weight.absmax": undefined }],
  [
    "plain",
    'has "plain.weight.absmax" of another type or size than its 24 bytes of F32',
    { "plain.weight.absmax": new Uint8Array(24) },
  ],
  [
    "nested",
    "has nested blocks of 64 instead of 256",
    await changeState(nestedStateName, { nested_blocksize: 64 }),
  ],
  ["nested", "lacks its nested_offset", await changeState(nestedStateName, { nested_offset: undefined })],
  ["nested", 'lacks "nested.weight.nested_quant_map"', { "nested.weight.nested_quant_map": undefined }],
  [
    "nested",
    'has "nested.weight.nested_absmax" of another type or size than its 8 bytes of F32',
    { "nested.weight.nested_absmax": new Float32Array(1) },
  ],
])("%s.weight is refused if it %s", async (name, reason, changes) => {
  expect(await refusal(name, changes)).toBe(reason);
});
