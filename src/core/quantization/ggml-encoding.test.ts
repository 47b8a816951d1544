import { expect, test } from "vitest";
import { openSafetensors } from "../formats/safetensors.ts";
import { writableTypes } from "./ggml-encoding.ts";

// Made by reference/ggml_blocks.py with the Python package gguf.
const rounded = openSafetensors("fixtures/quantization/ggml-blocks.safetensors");
// Made by reference/llama_cpp_quantize.py with llama.cpp's own quantizer.
const quantized = openSafetensors("fixtures/quantization/ggml-encoded.safetensors");

test.each(["F32", "F16", "Q8_0"] as const)("%s is encoded as gguf encodes it, to the bit", (name) => {
  const encoded = writableTypes[name].encode(rounded.readFloat32("rounded.values"));
  expect(Buffer.compare(encoded, rounded.readBytes(`rounded.${name}`))).toBe(0);
});

test.each(Object.entries(writableTypes).filter(([name]) => name !== "F32" && name !== "F16"))(
  "%s is quantized as llama.cpp quantizes it, to the bit",
  (name, { encode, blockElements, blockBytes }) => {
    const values = quantized.readFloat32("values");
    const expected = quantized.readBytes(name);
    for (let block = 0; block < values.length / blockElements; block++) {
      const encoded = encode(values.subarray(block * blockElements, (block + 1) * blockElements));
      const golden = expected.subarray(block * blockBytes, (block + 1) * blockBytes);
      expect([...encoded], `block ${block}`).toEqual([...golden]);
    }
  },
);
