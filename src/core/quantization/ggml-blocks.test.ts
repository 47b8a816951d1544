import { expect, test } from "vitest";
import { openSafetensors } from "../formats/safetensors.ts";
import { blockTypes, dequantizeBlocks } from "./ggml-blocks.ts";

// Made by reference/ggml_blocks.py with the Python package gguf.
const golden = openSafetensors("fixtures/quantization/ggml-blocks.safetensors");

test.each([...blockTypes.values()].map((type) => [type.name, type] as const))(
  "%s equals ggml's to the bit",
  (name, type) => {
    const blocks = golden.readBytes(`${name}.blocks`);
    const expected = golden.readFloat32(`${name}.values`);
    const values = new Float32Array((blocks.length / type.blockBytes) * type.blockElements);
    dequantizeBlocks(type, blocks, values);
    expect(new Uint32Array(values.buffer)).toEqual(new Uint32Array(expected.buffer));
  },
);
