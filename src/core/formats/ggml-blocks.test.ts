import { expect, test } from "vitest";
import { openSafetensorsFile } from "../../node/formats/safetensors.ts";
import { blockTypes, dequantizeBlocks } from "./ggml-blocks.ts";

// Made by reference/ggml_blocks.py with the Python package gguf.
const golden = await openSafetensorsFile("fixtures/quantization/ggml-blocks.safetensors");

test.each([...blockTypes.values()].map((type) => [type.name, type] as const))(
  "%s equals ggml's to the bit",
  async (name, type) => {
    const blocks = await golden.readBytes(`${name}.blocks`);
    const expected = await golden.readFloat32(`${name}.values`);
    const values = new Float32Array((blocks.length / type.blockBytes) * type.blockElements);
    dequantizeBlocks(type, blocks, values);
    expect(new Uint32Array(values.buffer)).toEqual(new Uint32Array(expected.buffer));
  },
);
