import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { openSourceFolder } from "../../node/files/byte-source.ts";
import { fillDisk } from "../../node/files/disk.fixture.ts";
import { openSafetensorsFile, writeSafetensors } from "../../node/formats/safetensors.ts";
import { InputError } from "../errors.ts";
import { openSafetensorsModel, type TensorToWrite } from "./safetensors.ts";

const folder = mkdtempSync(join(tmpdir(), "safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "model.safetensors");

const shapes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 });
const dtypes = fc.constantFrom("float32", "float16", "uint8");
const bytesPerElement = { float32: 4, float16: 2, uint8: 1 };

const names = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1 }),
  // Names of properties that every object has.
  fc.constantFrom("__proto__", "constructor", "toString"),
);

const tensorsToWrite: fc.Arbitrary<TensorToWrite[]> = fc.uniqueArray(
  fc.record({ name: names, dtype: dtypes, shape: shapes }).chain(({ name, dtype, shape }) => {
    const length = shape.reduce((product, size) => product * size, bytesPerElement[dtype]);
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((data) => ({ name, dtype, shape, data }));
  }),
  { selector: ({ name }) => name, maxLength: 6 },
);

test("what is written is read, to the byte", async () => {
  await fc.assert(
    fc.asyncProperty(
      tensorsToWrite,
      fc.dictionary(fc.oneof(fc.string(), names), fc.string()).map((entries) => ({ ...entries })),
      async (tensors, metadata) => {
        await writeSafetensors(path, tensors, metadata);
        const file = await openSafetensorsFile(path);
        try {
          expect(file.metadata).toEqual(new Map(Object.entries(metadata)));
          expect(file.tensors.size).toBe(tensors.length);
          for (const { name, shape, data } of tensors) {
            expect(file.tensors.get(name)!.shape).toEqual(shape);
            expect(await file.readBytes(name)).toEqual(data);
          }
        } finally {
          file.close();
        }
      },
    ),
    { numRuns: 100 },
  );
});

test("numbers of every floating-point type become float32", async () => {
  writeFile(
    {
      a: { dtype: "F64", shape: [2], data_offsets: [0, 16] },
      b: { dtype: "F32", shape: [], data_offsets: [16, 20] },
      c: { dtype: "F16", shape: [1, 2], data_offsets: [20, 24] },
      d: { dtype: "BF16", shape: [2], data_offsets: [24, 28] },
      e: { dtype: "I32", shape: [1], data_offsets: [28, 32] },
    },
    Buffer.concat(
      [
        Float64Array.of(0.1, -2),
        Float32Array.of(0.5),
        Uint16Array.of(0x3c00, 0xc000),
        Uint16Array.of(0x3f80, 0xc0a0),
        Int32Array.of(7),
      ].map(({ buffer }) => Buffer.from(buffer)),
    ),
  );
  const file = await openSafetensorsFile(path);
  expect([...(await file.readFloat32("a"))]).toEqual([Math.fround(0.1), -2]);
  expect([...(await file.readFloat32("b"))]).toEqual([0.5]);
  expect([...(await file.readFloat32("c"))]).toEqual([1, -2]);
  expect([...(await file.readFloat32("d"))]).toEqual([1, -5]);
  expect([...(await file.readFloat32("d", { start: 1, end: 2 }))]).toEqual([-5]);
  await expect(file.readFloat32("e")).rejects.toThrow(
    `${path}: the tensor "e" is of type I32, not of floating-point numbers.`,
  );
  await expect(file.readBytes("f")).rejects.toThrow(`${path} lacks the tensor "f".`);
  file.close();
});

/** Writes a file of a header (its text, or what becomes JSON) and data, with the header's true length unless given. */
function writeFile(header: unknown, data: Uint8Array = new Uint8Array(0), announced?: bigint): void {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(announced ?? BigInt(text.length));
  writeFileSync(path, Buffer.concat([length, text, data]));
}

async function refusal(open: () => Promise<{ close(): void }>): Promise<string> {
  try {
    (await open()).close();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message.replaceAll(folder, "models");
  }
  return "nothing is refused";
}

const tensor = (start: number, end: number, changes: object = {}) => ({
  dtype: "F32",
  shape: [(end - start) / 4],
  data_offsets: [start, end],
  ...changes,
});

test.each([
  [
    "a header beyond the end of the file",
    "{}",
    0,
    11n,
    " announces a header of 11 bytes, but has only 10 in all; the file is truncated or not a safetensors file.",
  ],
  [
    "a header of 2^64 - 1 bytes",
    "{}",
    0,
    2n ** 64n - 1n,
    " announces a header of 18446744073709551615 bytes, but has only 10 in all; the file is truncated or not a safetensors file.",
  ],
  [
    "a header that is not JSON",
    "{,}",
    0,
    undefined,
    " has a header that is not valid JSON; the file is damaged or not a safetensors file.",
  ],
  ["a header that is a list", "[]", 0, undefined, " has a header that is not a JSON object."],
  ["a header that is null", "null", 0, undefined, " has a header that is not a JSON object."],
  [
    "metadata that are no texts",
    { __metadata__: { step: 3 } },
    0,
    undefined,
    ' has "__metadata__" that is not a table of strings.',
  ],
  [
    "an unknown type",
    { a: tensor(0, 8, { dtype: "F31" }) },
    8,
    undefined,
    ': the tensor "a" has the unknown type "F31".',
  ],
  [
    "a type named as a property that every object has",
    { a: tensor(0, 8, { dtype: "constructor" }) },
    8,
    undefined,
    ': the tensor "a" has the unknown type "constructor".',
  ],
  ...(
    [
      ["no shape", { shape: undefined }],
      ["a negative size", { shape: [-1, -2] }],
      ["half an element", { shape: [0.5] }],
      ["a size beyond 2^53", { shape: [2 ** 60] }],
      ["one offset", { data_offsets: [0] }],
    ] as const
  ).map(
    ([what, changes]) =>
      [
        what,
        { a: tensor(0, 8, changes) },
        8,
        undefined,
        ': the entry of the tensor "a" lacks a valid dtype, shape or data_offsets.',
      ] as const,
  ),
  [
    "a tensor that ends before it starts",
    { a: tensor(0, 8, { data_offsets: [8, 0] }) },
    8,
    undefined,
    ': the tensor "a" reaches beyond the end of the file, which is truncated.',
  ],
  [
    "too little data",
    { a: tensor(0, 8) },
    7,
    undefined,
    ': the tensor "a" reaches beyond the end of the file, which is truncated.',
  ],
  [
    "a shape of another size",
    { a: tensor(0, 8, { shape: [3] }) },
    8,
    undefined,
    ': the tensor "a" has 8 bytes, but its shape [3] of F32 needs 12.',
  ],
  [
    "tensors that overlap",
    { a: tensor(0, 8), b: tensor(4, 12) },
    12,
    undefined,
    ': the tensor "b" overlaps the tensor before it; the file is damaged.',
  ],
  [
    "a gap",
    { a: tensor(0, 4), b: tensor(8, 12) },
    12,
    undefined,
    ': the tensor "b" leaves a gap before it; the file is damaged.',
  ],
  [
    "bytes behind the tensors",
    { a: tensor(0, 4) },
    7,
    undefined,
    " has 3 bytes that belong to no tensor; the file is damaged.",
  ],
] as const)("a file with %s is refused", async (_, header, dataBytes, announced, reason) => {
  writeFile(header, new Uint8Array(dataBytes), announced);
  expect(await refusal(() => openSafetensorsFile(path))).toBe(`models/model.safetensors${reason}`);
});

test("a header beyond the format's limit is refused", async () => {
  writeFile("{}", undefined, 100_000_001n);
  // The file is sparse, so it takes no room on the disk.
  truncateSync(path, 2 ** 27);
  expect(await refusal(() => openSafetensorsFile(path))).toBe(
    "models/model.safetensors announces a header of 100000001 bytes, more than the format allows; it is not a safetensors file.",
  );
});

test("a file too short for the header's length is refused", async () => {
  writeFileSync(path, "1234567");
  expect(await refusal(() => openSafetensorsFile(path))).toBe(
    "models/model.safetensors has 7 bytes, too few for a safetensors file.",
  );
});

test("what is no file is refused", async () => {
  for (const place of [folder, join(folder, "none.safetensors")]) {
    await expect(openSafetensorsFile(place)).rejects.toThrow(
      `${place} cannot be opened for reading; check that it exists.`,
    );
  }
});

describe("a sharded model", () => {
  const model = join(folder, "sharded");
  const first = join(model, "model-00001-of-00002.safetensors");
  const second = join(model, "model-00002-of-00002.safetensors");
  const index = join(model, "model.safetensors.index.json");

  const writeShard = (file: string, name: string, value: number) =>
    writeSafetensors(file, [{ name, dtype: "float32", shape: [1], data: Float32Array.of(value) }]);

  const writeModel = async (weightMap: unknown) => {
    rmSync(model, { recursive: true, force: true });
    mkdirSync(model);
    await writeShard(first, "a", 1);
    await writeShard(second, "b", 2);
    writeFileSync(index, JSON.stringify({ weight_map: weightMap }));
  };
  const weightMap = {
    a: "model-00001-of-00002.safetensors",
    b: "model-00002-of-00002.safetensors",
  };

  test("is read from its shards", async () => {
    await writeModel(weightMap);
    const file = await openSafetensorsModel(openSourceFolder(model));
    expect([...file.tensors.keys()]).toEqual(["a", "b"]);
    expect([...(await file.readFloat32("a")), ...(await file.readFloat32("b"))]).toEqual([1, 2]);
    await expect(file.readBytes("c")).rejects.toThrow(`${index} does not name the tensor "c".`);
    file.close();
  });

  test.each([
    "../model.safetensors",
    "/etc/passwd",
    "sub/model.safetensors",
    "model.safetensors/..",
    "pickle.bin",
  ])("may not have the shard %s", async (shard) => {
    await writeModel({ a: shard });
    expect(await refusal(() => openSafetensorsModel(openSourceFolder(model)))).toBe(
      `models/sharded/model.safetensors.index.json names the shard "${shard}", which is not a plain file name.`,
    );
  });

  test("needs every shard", async () => {
    await writeModel(weightMap);
    rmSync(second);
    expect(await refusal(() => openSafetensorsModel(openSourceFolder(model)))).toBe(
      "models/sharded/model-00002-of-00002.safetensors cannot be opened for reading; check that it exists.",
    );
  });

  test("needs every tensor where its index places it", async () => {
    await writeModel({ ...weightMap, c: weightMap.a });
    expect(await refusal(() => openSafetensorsModel(openSourceFolder(model)))).toBe(
      'models/sharded/model-00001-of-00002.safetensors lacks the tensor "c" that models/sharded/model.safetensors.index.json places there.',
    );
  });

  test("holds no tensor that its index does not name", async () => {
    await writeModel({ a: weightMap.a });
    await writeSafetensors(
      first,
      ["a", "hidden"].map((name) => ({ name, dtype: "float32", shape: [1], data: Float32Array.of(1) })),
    );
    expect(await refusal(() => openSafetensorsModel(openSourceFolder(model)))).toBe(
      'models/sharded/model-00001-of-00002.safetensors holds the tensor "hidden" that models/sharded/model.safetensors.index.json does not name; save the model anew.',
    );
  });

  test("needs a valid index", async () => {
    await writeModel(["a"]);
    expect(await refusal(() => openSafetensorsModel(openSourceFolder(model)))).toBe(
      'models/sharded/model.safetensors.index.json has no "weight_map" of tensor names to files.',
    );
    writeFileSync(index, "{");
    expect(await refusal(() => openSafetensorsModel(openSourceFolder(model)))).toBe(
      "models/sharded/model.safetensors.index.json is not valid JSON; download it again.",
    );
    rmSync(index);
    expect(await refusal(() => openSafetensorsModel(openSourceFolder(model)))).toBe(
      "models/sharded holds neither model.safetensors nor model.safetensors.index.json; weights in other formats have to be converted first.",
    );
  });
});

describe("writing that fails", () => {
  const target = join(folder, "failing", "model.safetensors");
  const fresh = () => {
    rmSync(join(folder, "failing"), { recursive: true, force: true });
    mkdirSync(join(folder, "failing"));
  };
  const one = (data: TensorToWrite["data"]): TensorToWrite[] => [
    { name: "a", dtype: "float32", shape: [2], data },
  ];

  test("leaves no file when the data do not fit the shape", async () => {
    fresh();
    await expect(writeSafetensors(target, one(new Float32Array(3)))).rejects.toThrow(
      new InputError('The tensor "a" has 12 bytes, but its shape needs 8.'),
    );
    expect(readdirSync(join(folder, "failing"))).toEqual([]);
  });

  test("leaves the file of before, alone, when the data cannot be had", async () => {
    fresh();
    await writeSafetensors(target, one(Float32Array.of(1, 2)));
    const failing = () => {
      throw new Error("no data");
    };
    await expect(writeSafetensors(target, one(failing))).rejects.toThrow("no data");
    expect(readdirSync(join(folder, "failing"))).toEqual(["model.safetensors"]);
    const file = await openSafetensorsFile(target);
    expect([...(await file.readFloat32("a"))]).toEqual([1, 2]);
    file.close();
  });

  test("leaves no file when the disk is full", async () => {
    fresh();
    const makeRoom = fillDisk();
    const error = await writeSafetensors(target, one(new Float32Array(2))).catch((reason) => reason);
    makeRoom();
    expect(error).toEqual(
      new InputError(
        `The disk is full, so ${target} cannot be written; free some space and run the command again.`,
      ),
    );
    expect(error.cause.code).toBe("ENOSPC");
    expect(readdirSync(join(folder, "failing"))).toEqual([]);
  });

  test("names the file when there is no such folder", async () => {
    const nowhere = join(folder, "nowhere", "model.safetensors");
    await expect(writeSafetensors(nowhere, [])).rejects.toThrow(
      new InputError(
        `${nowhere} cannot be written (ENOENT: no such file or directory, open '${nowhere}'); check the folder and the space on the disk.`,
      ),
    );
  });
});
