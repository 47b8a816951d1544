import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { createRandom, type Random } from "../random.ts";
import { openGguf } from "./gguf.ts";
import { buildGguf } from "./gguf-builder.fixture.ts";
import { openSafetensors, writeSafetensors } from "./safetensors.ts";
import type { WeightFile } from "./weight-file.ts";

const folder = mkdtempSync(join(tmpdir(), "fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));

const filesPerFormat = 1000;
/** Float32 takes up to 7.1 times the bytes of 4.5-bit weights, and a value of one byte in a list takes 8. */
const growth = 16;
/** What any parse may take, whatever the file: errors, schemas and the test's own bookkeeping. */
const constantBytes = 2 ** 20;

async function safetensorsSeeds(): Promise<Buffer[]> {
  const path = join(folder, "seed.safetensors");
  await writeSafetensors(path, [
    {
      name: "model.embed_tokens.weight",
      dtype: "float32",
      shape: [4, 8],
      data: new Float32Array(32).fill(0.5),
    },
    { name: "model.norm.weight", dtype: "float16", shape: [8], data: new Uint16Array(8).fill(0x3c00) },
    { name: "codes", dtype: "uint8", shape: [3, 1], data: Uint8Array.of(1, 2, 3) },
  ]);
  return [readFileSync(path)];
}

function ggufSeeds(): Buffer[] {
  const tokens = Array.from({ length: 40 }, (_, i) => `token ${i}`);
  const built = buildGguf({
    version: 2,
    metadata: [
      ["general.architecture", [8, "llama"]],
      ["general.alignment", [4, 32]],
      ["tokenizer.ggml.tokens", [9, { type: 8, values: tokens }]],
      ["tokenizer.ggml.token_type", [9, { type: 5, values: tokens.map(() => 1) }]],
    ],
    tensors: [
      { name: "token_embd.weight", sizes: [32, 4], type: 3, data: new Uint8Array(80).fill(0x11) },
      { name: "blk.0.ffn_up.weight", sizes: [256, 1], type: 12, data: new Uint8Array(144).fill(0x22) },
      { name: "output_norm.weight", sizes: [32], type: 0, data: new Uint8Array(128) },
    ],
  });
  return [built, readFileSync("fixtures/formats/every-type.gguf")];
}

/** Numbers at which sizes, signs and products go wrong. */
const integers = [
  0n,
  1n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 60n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

const mutations: readonly ((bytes: Buffer, random: Random) => Buffer)[] = [
  function flipBit(bytes, random) {
    const at = random.below(bytes.length);
    bytes[at]! ^= 1 << random.below(8);
    return bytes;
  },
  function cutOff(bytes, random) {
    return bytes.subarray(0, random.below(bytes.length));
  },
  function overwriteByte(bytes, random) {
    bytes[random.below(bytes.length)] = random.below(256);
    return bytes;
  },
  function overwriteWithInteger(bytes, random) {
    const width = random.below(2) === 0 ? 4 : 8;
    const number = Buffer.alloc(8);
    number.writeBigUInt64LE(integers[random.below(integers.length)]!);
    number.copy(bytes, random.below(bytes.length), 0, width);
    return bytes;
  },
  function spliceInDigits(bytes, random) {
    const at = random.below(bytes.length);
    const digits = Buffer.from(String(integers[random.below(integers.length)]));
    return Buffer.concat([bytes.subarray(0, at), digits, bytes.subarray(at)]);
  },
  function repeatPiece(bytes, random) {
    const start = random.below(bytes.length);
    const end = start + random.below(Math.min(200, bytes.length - start));
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
  },
];

function mutate(seed: Buffer, random: Random): Buffer {
  let bytes: Buffer = Buffer.from(seed);
  for (let i = 0; i <= random.below(3) && bytes.length > 0; i++) {
    // Half of the time within the first bytes, where the counts are.
    const head = random.below(2) === 0 ? Math.min(bytes.length, 400) : bytes.length;
    const mutation = mutations[random.below(mutations.length)]!;
    bytes = Buffer.concat([mutation(bytes.subarray(0, head), random), bytes.subarray(head)]);
  }
  return bytes;
}

/** Opens a file and reads all of its tensors. */
function readAll(open: (path: string) => WeightFile, path: string): void {
  const file = open(path);
  try {
    for (const { name, dtype } of file.tensors.values()) {
      if (/^[UIB](\d|OOL)|^F8/.test(dtype)) file.readBytes(name);
      else file.readFloat32(name);
    }
  } finally {
    file.close();
  }
}

test.each([
  ["safetensors", openSafetensors, safetensorsSeeds],
  ["GGUF", openGguf, ggufSeeds],
] as const)(
  "a damaged %s file is read or refused in one sentence, in little time and memory",
  { timeout: 30_000 },
  async (format, open, makeSeeds) => {
    const seeds = await makeSeeds();
    const path = join(folder, "mutated");
    let read = 0;
    let refused = 0;
    for (let i = 0; i < filesPerFormat; i++) {
      const bytes = mutate(seeds[i % seeds.length]!, createRandom(1, i));
      writeFileSync(path, bytes);
      const before = process.memoryUsage();
      try {
        readAll(open, path);
        read++;
      } catch (error) {
        const sentence = (error as Error).message;
        expect(error, `${format} file ${i}: ${sentence}`).toBeInstanceOf(InputError);
        expect(sentence).toMatch(/^[^\n]{1,1000}\.$/);
        refused++;
      }
      const after = process.memoryUsage();
      const limit = growth * bytes.length + constantBytes;
      expect(after.arrayBuffers - before.arrayBuffers, `${format} file ${i}`).toBeLessThan(limit);
      expect(after.heapUsed - before.heapUsed, `${format} file ${i}`).toBeLessThan(limit);
    }
    // Both happen, or the mutations are too gentle or too rough to find anything.
    expect(read).toBeGreaterThan(filesPerFormat / 20);
    expect(refused).toBeGreaterThan(filesPerFormat / 4);
  },
);
