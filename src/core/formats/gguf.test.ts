import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openGgufFile } from "../../node/formats/gguf.ts";
import { openSafetensorsFile } from "../../node/formats/safetensors.ts";
import { InputError } from "../errors.ts";
import { buildGguf, type GgufParts, type TensorParts, type TypedElements } from "./gguf-builder.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "gguf-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "model.gguf");

/** GGUF's numbers of types. */
const uint32 = 4;
const float32 = 6;
const string = 8;
const array = 9;

// Made by reference/gguf_file.py with the Python package gguf.
test("metadata of every type and tensors are those that the Python package wrote", async () => {
  const file = await openGgufFile("fixtures/formats/every-type.gguf");
  const expected = await openSafetensorsFile("fixtures/formats/every-type.safetensors");
  const metadata = Object.fromEntries(file.metadata);
  expect(metadata).toEqual({
    "general.architecture": "llama",
    "general.alignment": 64,
    "test.uint8": 255,
    "test.int8": -128,
    "test.uint16": 65_535,
    "test.int16": -32_768,
    "test.uint32": 4_294_967_295,
    "test.int32": -2_147_483_648,
    "test.float32": Math.fround(0.1),
    "test.bool": true,
    "test.string": "grüße 🙂",
    "test.uint64": 2n ** 64n - 1n,
    "test.int64": -(2n ** 63n),
    "test.float64": 0.1,
    "test.strings": ["a", "\ufeff", "", "Ġthe"],
    "test.floats": [0.5, -1.5],
    "test.bools": [true, false],
    "test.nested": [[1, 2], [3]],
  });
  expect([...file.tensors.values()].map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
    ["token_embd.weight", "Q4_1", [5, 64]],
    ["blk.0.ffn_norm.weight", "F32", [7]],
    ["blk.0.ffn_up.weight", "Q8_0", [3, 64]],
    ["blk.0.ffn_down.weight", "Q5_0", [2, 3, 32]],
    ["output.weight", "F16", [3, 4]],
    ["output_norm.weight", "BF16", [4]],
  ]);
  for (const { name, byteLength, shape } of file.tensors.values()) {
    const whole = await expected.readFloat32(name);
    expect(await file.readFloat32(name)).toEqual(whole);
    const width = whole.length / shape[0]!;
    const rows = { start: 1, end: shape[0]! };
    expect(await file.readFloat32(name, rows)).toEqual(whole.subarray(width));
    expect(await file.readBytes(name)).toHaveLength(byteLength);
  }
  file.close();
  expected.close();
});

test("a tensor that is read in several pieces is whole", async () => {
  const elements = 5_000_000;
  const values = Float32Array.from({ length: elements }, (_, i) => i);
  writeFileSync(
    path,
    buildGguf({
      tensors: [{ name: "weight", sizes: [elements], type: 0, data: new Uint8Array(values.buffer) }],
    }),
  );
  const file = await openGgufFile(path);
  expect(
    Buffer.compare(Buffer.from((await file.readFloat32("weight")).buffer), Buffer.from(values.buffer)),
  ).toBe(0);
  file.close();
});

test("a header larger than what is read at a time is whole", async () => {
  const texts = Array.from({ length: 200_000 }, (_, i) => `token ${i}`);
  const long = "x".repeat(6_000_000);
  writeFileSync(
    path,
    buildGguf({
      version: 2,
      metadata: [
        ["before", [string, "a"]],
        ["tokens", [array, { type: string, values: texts }]],
        ["template", [string, long]],
        ["after", [float32, 0.5]],
      ],
    }),
  );
  const file = await openGgufFile(path);
  expect(file.metadata.get("tokens")).toEqual(texts);
  expect(file.metadata.get("template")).toBe(long);
  expect(file.metadata.get("after")).toBe(0.5);
  file.close();
});

/** A tensor of zeros, of float32 unless said otherwise. */
function zeros(changes: Partial<TensorParts> = {}): TensorParts {
  return { name: "weight", sizes: [32], type: 0, data: new Uint8Array(128), ...changes };
}

function nest(depth: number): TypedElements {
  return depth === 0 ? { type: uint32, values: [1] } : { type: array, values: [nest(depth - 1)] };
}

async function refusal(bytes: Uint8Array): Promise<string> {
  writeFileSync(path, bytes);
  try {
    (await openGgufFile(path)).close();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message.replace(path, "model.gguf");
  }
  return "nothing is refused";
}

const damaged: readonly [what: string, parts: GgufParts, reason: string][] = [
  ["other letters", { magic: "GGML" }, "it does not begin with the letters GGUF"],
  [
    "too many tensors",
    { tensorCount: 2n ** 40n },
    "it announces 1099511627776 tensors, more than its 32 bytes can hold",
  ],
  [
    "too many metadata keys",
    { keyCount: 2n ** 64n - 1n },
    "it announces 18446744073709552000 metadata keys, more than its 32 bytes can hold",
  ],
  [
    "more metadata keys than there are",
    { keyCount: 2n, metadata: [["k", [string, "a".repeat(19)]]] },
    "it ends in the middle of its header",
  ],
  [
    "too long an array",
    { metadata: [["k", [array, { type: uint32, values: [1], count: 2n ** 62n }]]] },
    "it announces 4611686018427388000 array elements, more than its 64 bytes can hold",
  ],
  [
    "an unknown type of value",
    { metadata: [["k", [13, 1]]] },
    "its metadata has a value of the unknown type 13",
  ],
  [
    "an unknown type of elements",
    { metadata: [["k", [array, { type: 99, values: [] }]]] },
    "its metadata has a value of the unknown type 99",
  ],
  [
    "arrays in arrays in arrays",
    { metadata: [["k", [array, nest(4)]]] },
    "its metadata has arrays nested too deeply",
  ],
  [
    "a key twice",
    {
      metadata: [
        ["k", [uint32, 1]],
        ["k", [uint32, 2]],
      ],
    },
    'it has the metadata key "k" twice',
  ],
  [
    "a key that is too long",
    { metadata: [["k".repeat(65_536), [uint32, 1]]] },
    "it announces 65536 bytes of a metadata key, and 65535 are the most that are read",
  ],
  [
    "an alignment of zero",
    { metadata: [["general.alignment", [uint32, 0]]] },
    "its general.alignment is not a multiple of 8",
  ],
  [
    "an alignment that is a text",
    { metadata: [["general.alignment", [string, "32"]]] },
    "its general.alignment is not a multiple of 8",
  ],
  ["a tensor twice", { tensors: [zeros(), zeros()] }, 'it has the tensor "weight" twice'],
  [
    "a tensor's name with a line break and a terminal's control character",
    { tensors: [zeros({ name: "a\n\u001b[31m" }), zeros({ name: "a\n\u001b[31m" })] },
    'it has the tensor "a\\n\\u001b[31m" twice',
  ],
  [
    "a tensor's name that is too long",
    { tensors: [zeros({ name: "w".repeat(65) })] },
    "it announces 65 bytes of a tensor name, and 64 are the most that are read",
  ],
  [
    "five dimensions",
    { tensors: [zeros({ sizes: [2, 2, 2, 2, 2] })] },
    'the tensor "weight" has 5 dimensions, more than 4',
  ],
  [
    "sizes whose product is beyond 2^53",
    { tensors: [zeros({ sizes: [2 ** 32, 2 ** 32] })] },
    'the tensor "weight" has the impossible sizes 4294967296, 4294967296',
  ],
  [
    "a size beyond 2^53 beside one of zero",
    { tensors: [zeros({ sizes: [0, 2n ** 63n] })] },
    'the tensor "weight" has the impossible sizes 0, 9223372036854776000',
  ],
  [
    "rows that are no whole number of blocks",
    { tensors: [zeros({ sizes: [16, 2], type: 3 })] },
    `the rows of the tensor "weight" are no whole number of Q4_1's blocks of 32`,
  ],
  [
    "an offset that is not aligned",
    { tensors: [zeros({ offset: 8 })] },
    'the tensor "weight" is not aligned to 32 bytes',
  ],
  [
    "an offset beyond the end",
    { tensors: [zeros({ offset: 2n ** 63n })] },
    'the tensor "weight" reaches beyond its end, so it is truncated',
  ],
  [
    "too little data",
    { tensors: [zeros({ sizes: [64] })] },
    'the tensor "weight" reaches beyond its end, so it is truncated',
  ],
  [
    "tensors that overlap",
    { tensors: [zeros(), zeros({ name: "other", offset: 64 }), zeros({ name: "last" })] },
    'the tensor "other" overlaps the one before it',
  ],
];

test.each(damaged)("a file with %s is refused", async (_, parts, reason) => {
  expect(await refusal(buildGguf(parts))).toBe(
    `model.gguf is not a valid GGUF file: ${reason}; download it again.`,
  );
});

test("a tensor of a type that is not supported is named", async () => {
  expect(await refusal(buildGguf({ tensors: [zeros({ type: 16 })] }))).toBe(
    'model.gguf: the tensor "weight" is of ggml\'s type 16, which is not supported; choose a file with tensors of F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16.',
  );
});

test.each([1, 4, 0x03000000])("version %d is refused", async (version) => {
  expect(await refusal(buildGguf({ version }))).toBe(
    `model.gguf is GGUF of version ${version}, and only 2 and 3 (little-endian) are read; convert the model anew.`,
  );
});

test("counts that a huge file could hold are refused for themselves", async () => {
  // The file is sparse, so it takes no room on the disk.
  const announced: [bigint, GgufParts, string][] = [
    [2n ** 27n, { metadata: [["k", [string, 2n ** 27n]]] }, "bytes of text"],
    [2n ** 25n, { metadata: [["k", [array, { type: 0, values: [], count: 2n ** 25n }]]] }, "array elements"],
  ];
  for (const [count, parts, what] of announced) {
    writeFileSync(path, buildGguf(parts));
    truncateSync(path, 2 ** 28);
    const before = process.memoryUsage();
    await expect(openGgufFile(path)).rejects.toThrow(`it announces ${count} ${what}, and `);
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 24);
    expect(after.heapUsed - before.heapUsed).toBeLessThan(2 ** 23);
  }
});

test.each(Array.from({ length: 30 }, (_, i) => i * 64))(
  "a file cut off after %d bytes is refused",
  async (length) => {
    const whole = buildGguf({
      metadata: [["tokens", [array, { type: string, values: Array.from({ length: 100 }, String) }]]],
      tensors: [zeros(), zeros({ name: "other" })],
    });
    expect(whole.length).toBeGreaterThan(length);
    expect(await refusal(whole.subarray(0, length))).toMatch(/^model\.gguf is not a valid GGUF file: .+\.$/);
  },
);

test("what is no file is refused", async () => {
  const message = (where: string) => `${where} cannot be opened for reading; check that it exists.`;
  await expect(openGgufFile(folder)).rejects.toThrow(message(folder));
  await expect(openGgufFile(join(folder, "none.gguf"))).rejects.toThrow(message(join(folder, "none.gguf")));
});

test("a tensor that the file lacks is named", async () => {
  writeFileSync(path, buildGguf({}));
  const file = await openGgufFile(path);
  await expect(file.readFloat32("weight")).rejects.toThrow(`${path} lacks the tensor "weight".`);
  file.close();
});
