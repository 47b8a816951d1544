import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ggufAdapterKeys } from "../../core/adapters/gguf-adapter-keys.ts";
import type { GgufValueToWrite } from "../../core/formats/gguf-encoding.ts";
import { roleOf } from "../../core/formats/known-keys.ts";
import { readFolderConfig } from "../../core/models/checkpoint.ts";
import { openSourceFolder } from "../files/byte-source.ts";
import { writeGguf } from "../formats/gguf.ts";
import { readGgufAdapter } from "./gguf-files.ts";

const config = await readFolderConfig(openSourceFolder("fixtures/reference/models/llama"));
const scratch = mkdtempSync(join(tmpdir(), "slimtune-gguf-adapter-"));
afterAll(() => rmSync(scratch, { recursive: true }));
let files = 0;

/** Reads an adapter of zeros of rank 2 on one layer, with some metadata changed and tensors added. */
async function read(changes: Record<string, GgufValueToWrite> = {}, added: Record<string, number[]> = {}) {
  const tensors = { "blk.0.attn_q.weight.lora_a": [2, 32], "blk.0.attn_q.weight.lora_b": [32, 2], ...added };
  const metadata = new Map<string, GgufValueToWrite>([
    ["general.architecture", "llama"],
    ["general.type", "adapter"],
    ["adapter.type", "lora"],
    ["adapter.lora.alpha", { float32: 4 }],
    ...Object.entries(changes),
  ]);
  const path = join(scratch, `${files++}.gguf`);
  await writeGguf(
    path,
    metadata,
    Object.entries(tensors).map(([name, shape]) => ({
      name,
      type: "F32",
      shape,
      data: () => new Float32Array(shape[0]! * shape[1]!),
    })),
  );
  return await readGgufAdapter(path, config);
}

test("every key of an adapter in ggml's Python package has a role", () => {
  // Made by reference/configuration_keys.py.
  const { gguf }: { gguf: string[] } = JSON.parse(
    readFileSync("fixtures/reference/configuration-keys.json", "utf8"),
  );
  const keys = gguf.filter((key) => /^(?:general|adapter)\./.test(key));
  expect(keys.filter((key) => roleOf(ggufAdapterKeys, key) === undefined)).toEqual([]);
});

test("metadata that change nothing are taken", async () => {
  const { parameters } = await read({ "general.name": "tiny", "adapter.lora.task_name": "sums" });
  expect([...parameters.keys()]).toEqual([
    "model.layers.0.self_attn.q_proj.lora_A.weight",
    "model.layers.0.self_attn.q_proj.lora_B.weight",
  ]);
});

test.each([
  ["a whole model", { "general.type": "model" }, 'sets "general.type" to "model"'],
  ["another kind", { "adapter.type": "ia3" }, 'sets "adapter.type" to "ia3"'],
  [
    "an activated LoRA",
    { "adapter.alora.invocation_tokens": 5 },
    'sets "adapter.alora.invocation_tokens" to 5',
  ],
  ["no scale", { "adapter.lora.alpha": { float32: 0 } }, 'gives no "adapter.lora.alpha" above 0'],
  [
    "another architecture",
    { "general.architecture": "qwen2" },
    "holds no LoRA adapter for a model of this shape",
  ],
] as const)("refused: %s", async (_name, changes, sentence) => {
  await expect(read(changes)).rejects.toThrow(sentence);
});

test.each([
  "token_embd.weight.lora_a",
  "output.weight.lora_b",
  "blk.2.attn_q.weight.lora_a",
  "blk.0.attn_v.weight.lora_b",
])("refused: an update of %s", async (name) => {
  await expect(read({}, { [name]: [2, 2] })).rejects.toThrow(`adapts the tensor "${name}"`);
});
