import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { frozen } from "../../core/adapters/adaptation.ts";
import { createEngine } from "../../core/engine/engine.ts";
import { loadWeights } from "../../core/models/load-weights.ts";
import { openSafetensorsFile, writeSafetensors } from "../formats/safetensors.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { openCheckpoint } from "./checkpoint.ts";

// Made by reference/tiny_models.py with Transformers.
const models = "fixtures/reference/models";
const golden = await openSafetensorsFile(`${models}/variants.safetensors`);
afterAll(() => golden.close());
const variants: Record<string, { model: string; changes: Record<string, unknown> }> = JSON.parse(
  readFileSync(`${models}/variants.json`, "utf8"),
);
const inputIds = Int32Array.from(new BigInt64Array((await golden.readBytes("input_ids")).buffer), Number);

const scratch = mkdtempSync(join(tmpdir(), "slimtune-checkpoint-"));
afterAll(() => rmSync(scratch, { recursive: true }));
let folders = 0;

/** A copy of a tiny model with some keys of its configuration changed; null takes one out. */
function copyModel(model: string, changes: object = {}): string {
  const folder = join(scratch, String(folders++));
  cpSync(`${models}/${model}`, folder, { recursive: true });
  const path = join(folder, "config.json");
  const config = { ...JSON.parse(readFileSync(path, "utf8")), ...changes };
  writeFileSync(
    path,
    JSON.stringify(config, (_key, value) => (value === null ? undefined : value)),
  );
  return folder;
}

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Writes the weights of a folder anew. */
async function rewriteWeights(folder: string, change: (tensors: Tensor[]) => Tensor[]): Promise<void> {
  const path = join(folder, "model.safetensors");
  const file = await openSafetensorsFile(path);
  const tensors: Tensor[] = [];
  for (const { name, shape } of file.tensors.values())
    tensors.push({ name, shape, data: await file.readFloat32(name) });
  file.close();
  await writeSafetensors(
    path,
    change(tensors).map((tensor) => ({ ...tensor, dtype: "float32" as const })),
  );
}

async function logitsOf(folder: string): Promise<Float32Array> {
  const checkpoint = await openCheckpoint(folder);
  const engine = createEngine(
    openDevice("cpu", { threads: 1 }),
    checkpoint.config,
    await loadWeights(checkpoint),
    frozen,
    { segmentSize: 1 },
  );
  const positionIds = Int32Array.from(inputIds.keys());
  const segmentIds = new Int32Array(inputIds.length).fill(1);
  const batch = { rows: 1, length: inputIds.length, inputIds, positionIds, segmentIds };
  const logits = await engine.logits(batch, positionIds, new Map());
  await engine.release();
  checkpoint.close();
  return logits;
}

const largestDifference = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

describe("logits equal Transformers' where a configuration says it in another way", () => {
  test.each(Object.entries(variants))("%s", async (name, { model, changes }) => {
    const logits = await logitsOf(copyModel(model, changes));
    expect(largestDifference(logits, await golden.readFloat32(name))).toBeLessThanOrEqual(1e-4);
  });
});

describe("the tensors of a folder", () => {
  test("may be named as those of a model without its output layer", async () => {
    const folder = copyModel("llama-tied-f32");
    const expected = await logitsOf(folder);
    await rewriteWeights(folder, (tensors) =>
      tensors.map(({ name, ...rest }) => ({ name: name.replace(/^model\./, ""), ...rest })),
    );
    expect(await logitsOf(folder)).toEqual(expected);
  });

  test("may hold the head twice, and the rotary embedding's frequencies", async () => {
    const folder = copyModel("llama-tied-f32");
    const expected = await logitsOf(folder);
    await rewriteWeights(folder, (tensors) => [
      ...tensors,
      { ...tensors.find(({ name }) => name === "model.embed_tokens.weight")!, name: "lm_head.weight" },
      { name: "model.layers.0.self_attn.rotary_emb.inv_freq", shape: [4], data: new Float32Array(4) },
    ]);
    expect((await openCheckpoint(folder)).config.tieWordEmbeddings).toBe(true);
    expect(await logitsOf(folder)).toEqual(expected);
  });

  test.each([
    ["model.layers.0.self_attn.q_norm.weight", 8],
    ["model.layers.1.mlp.up_proj.bias", 48],
    ["model.layers.2.input_layernorm.weight", 32],
    ["model.layers.0.self_attn.q_proj.weight_scale_inv", 1],
    ["score.weight", 32],
  ])("that the model has no use for are refused: %s", async (name, size) => {
    const folder = copyModel("llama");
    await rewriteWeights(folder, (tensors) => [
      ...tensors,
      { name, shape: [size], data: new Float32Array(size) },
    ]);
    await expect(openCheckpoint(folder)).rejects.toThrow(
      `holds the tensor "${name}", for which a "llama" model of`,
    );
  });

  test("in PyTorch's files are refused with the way to convert them", async () => {
    const folder = copyModel("llama");
    renameSync(join(folder, "model.safetensors"), join(folder, "pytorch_model.bin"));
    await expect(openCheckpoint(folder)).rejects.toThrow(
      "but pytorch_model.bin, which is not read; convert it with Transformers",
    );
    renameSync(join(folder, "pytorch_model.bin"), join(folder, "llama.gguf"));
    await expect(openCheckpoint(folder)).rejects.toThrow("but llama.gguf; name that file itself");
  });
});
