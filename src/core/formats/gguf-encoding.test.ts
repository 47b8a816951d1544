import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openGgufFile, writeGguf } from "../../node/formats/gguf.ts";
import { InputError } from "../errors.ts";
import type { GgufTensorToWrite, GgufValueToWrite } from "./gguf-encoding.ts";

const scratch = mkdtempSync(join(tmpdir(), "gguf-writer-"));
afterAll(() => rmSync(scratch, { recursive: true }));

function tensor(name: string, type: GgufTensorToWrite["type"], shape: number[]): GgufTensorToWrite {
  const length = shape.reduce((product, size) => product * size, 1);
  const data = () => Float32Array.from({ length }, (_, i) => (((i * 37) % 101) - 50) / 64);
  return { name, type, shape, data };
}

const metadata = new Map<string, GgufValueToWrite>([
  ["general.architecture", "llama"],
  ["test.whole", 49_152],
  ["test.float", { float32: 1e-5 }],
  ["test.bool", true],
  ["test.string", "grüße 🙂"],
  ["test.strings", ["a", "", "Ġthe"]],
  ["test.whole_numbers", Int32Array.of(1, -2, 3)],
  ["test.floats", Float32Array.of(0.5, -1.5)],
]);
const tensors = [
  tensor("token_embd.weight", "Q8_0", [3, 64]),
  tensor("blk.0.attn_norm.weight", "F32", [7]),
  tensor("blk.0.ffn_up.weight", "F16", [5, 3]),
];

// Made by reference/gguf_file.py with the Python package gguf.
test("a file equals that of the Python package, byte by byte", async () => {
  const path = join(scratch, "same.gguf");
  await writeGguf(path, metadata, tensors);
  expect(readFileSync(path).equals(readFileSync("fixtures/formats/written.gguf"))).toBe(true);
});

test("values are carried over as the other file holds them, whatever their types", async () => {
  const path = join(scratch, "carried.gguf");
  const original = await openGgufFile("fixtures/formats/every-type.gguf");
  const keys = [...original.metadata.keys()].filter((key) => key !== "general.alignment");
  const encoded = new Map<string, Uint8Array>();
  for (const key of keys) encoded.set(key, await original.readEncodedValue(key));
  await writeGguf(path, encoded, tensors);
  const carried = await openGgufFile(path);
  expect([...carried.metadata]).toEqual(keys.map((key) => [key, original.metadata.get(key)]));
  for (const key of keys) expect(await carried.readEncodedValue(key)).toEqual(encoded.get(key));
  await expect(carried.readEncodedValue("absent")).rejects.toThrow(InputError);
  original.close();
  carried.close();
});

test("a tensor that is encoded in several pieces is whole", async () => {
  const path = join(scratch, "long.gguf");
  const rows = 70_001;
  const { data } = tensor("long", "F32", [rows, 64]);
  await writeGguf(path, new Map(), [
    { name: "long", type: "Q8_0", shape: [rows, 64], data },
    tensor("next", "F32", [3]),
  ]);
  const file = await openGgufFile(path);
  const values = await file.readFloat32("long");
  const expected = await data();
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - values[i]!)), 0);
  // Half a step of the largest scale, and the rounding of the scale itself.
  expect(worst).toBeLessThan((50 / 64 / 127) * 0.5 + (50 / 64) * 2 ** -11);
  expect(await file.readFloat32("next")).toEqual(await tensor("next", "F32", [3]).data());
  file.close();
});

const refused: Record<string, [GgufTensorToWrite, string]> = {
  "too few values": [
    { ...tensor("a", "F32", [4]), data: () => new Float32Array(3) },
    'The tensor "a" has 3 values, but its shape needs 4.',
  ],
  "rows of broken blocks": [
    tensor("a", "Q8_0", [2, 48]),
    `The rows of the tensor "a" are no whole number of Q8_0's blocks of 32.`,
  ],
  "a value beyond float16": [
    { ...tensor("a", "F16", [1]), data: () => Float32Array.of(-65_520) },
    `The tensor "a" has values beyond float16's range; choose the type f32.`,
  ],
  "a block beyond float16": [
    { ...tensor("a", "Q4_K", [256]), data: () => new Float32Array(256).fill(65_520) },
    `The tensor "a" has values beyond float16's range; choose the type f32.`,
  ],
  "not a number": [
    { ...tensor("a", "Q8_0", [32]), data: () => new Float32Array(32).fill(Number.NaN) },
    `The tensor "a" has values that are no finite numbers`,
  ],
  "too long a name": [tensor("a".repeat(64), "F32", [1]), "is longer than the 63 bytes that GGUF allows"],
};

test.each(Object.entries(refused))("%s: nothing is written", async (_what, [bad, message]) => {
  const path = join(scratch, "bad.gguf");
  const written = writeGguf(path, metadata, [...tensors, bad]);
  await expect(written).rejects.toThrow(InputError);
  await expect(written).rejects.toThrow(message);
  expect(existsSync(path) || existsSync(`${path}.tmp`)).toBe(false);
});

test("a folder that does not exist is named", async () => {
  const path = join(scratch, "nowhere", "model.gguf");
  await expect(writeGguf(path, metadata, tensors)).rejects.toThrow(`${path} cannot be written`);
});
