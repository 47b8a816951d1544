import { expect, test } from "vitest";
import { openSafetensorsFile } from "../../node/formats/safetensors.ts";
import { writableTypes } from "./ggml-encoding.ts";

// Made by reference/ggml_blocks.py with the Python package gguf.
const rounded = await openSafetensorsFile("fixtures/quantization/ggml-blocks.safetensors");
// Made by reference/llama_cpp_quantize.py with llama.cpp's own quantizer.
const quantized = await openSafetensorsFile("fixtures/quantization/ggml-encoded.safetensors");

test.each(["F32", "F16", "Q8_0"] as const)("%s is encoded as gguf encodes it, to the bit", async (name) => {
  const encoded = writableTypes[name].encode(await rounded.readFloat32("rounded.values"));
  expect(Buffer.compare(encoded, await rounded.readBytes(`rounded.${name}`))).toBe(0);
});

test.each(Object.entries(writableTypes).filter(([name]) => name !== "F32" && name !== "F16"))(
  "%s is quantized as llama.cpp quantizes it, to the bit",
  async (name, { encode, blockElements, blockBytes }) => {
    const values = await quantized.readFloat32("values");
    const expected = await quantized.readBytes(name);
    for (let block = 0; block < values.length / blockElements; block++) {
      const encoded = encode(values.subarray(block * blockElements, (block + 1) * blockElements));
      const golden = expected.subarray(block * blockBytes, (block + 1) * blockBytes);
      expect([...encoded], `block ${block}`).toEqual([...golden]);
    }
  },
);
