import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSafetensorsFile, writeSafetensors } from "../../node/formats/safetensors.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { frozen } from "../adapters/adaptation.ts";
import { listLinearModules, nameInLayer } from "../architectures/modules.ts";
import { createEngine } from "../engine/engine.ts";
import { decodeFloat16 } from "../formats/float16.ts";
import { readStoredWeight } from "./linear.ts";
import { type LoadOptions, loadWeights } from "./load-weights.ts";
import { wholeOf } from "./matrix-rows.ts";
import type { ModelWeights } from "./weights.ts";

const open = (name: string) => openCheckpoint(`fixtures/reference/models/${name}`);
// Its file holds bfloat16.
const half = await open("llama-tied");

async function logitsOf(weights: ModelWeights): Promise<Float32Array> {
  const engine = createEngine(openDevice("cpu", { threads: 1 }), half.config, weights, frozen, {
    segmentSize: 1,
  });
  const inputIds = Int32Array.of(5, 17, 3, 29, 11);
  const positionIds = Int32Array.from(inputIds.keys());
  const batch = { rows: 1, length: 5, inputIds, positionIds, segmentIds: new Int32Array(5).fill(1) };
  return engine.logits(batch, positionIds, new Map());
}

test("float16 keeps bfloat16 weights, and so the logits", async () => {
  const expected = await logitsOf(await loadWeights(half));
  const weights = await loadWeights(half, { storage: "float16" });
  expect((await weights.block(0))["mlp.up_proj.weight"]!.dtype).toBe("float16");
  const logits = await logitsOf(weights);
  for (const [i, logit] of logits.entries()) expect(Math.abs(logit - expected[i]!)).toBeLessThan(1e-4);
});

test("int8 keeps each weight to half a step of its row", async () => {
  const loaded = await loadWeights(half, { storage: "int8" });
  for (const { name, outFeatures, inFeatures } of listLinearModules(half.config)) {
    const weight = await half.read(nameInLayer(1, `${name}.weight`), [outFeatures, inFeatures]);
    const kept = readStoredWeight(await loaded.block(1), `${name}.weight`);
    for (let row = 0; row < outFeatures; row++) {
      const span = (values: Float32Array) => values.subarray(row * inFeatures, (row + 1) * inFeatures);
      const largest = span(weight).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (const [i, value] of span(weight).entries())
        expect(Math.abs(value - span(kept)[i]!)).toBeLessThan((largest / 127) * 0.501);
    }
  }
  expect(loaded.embedding.dtype).toBe("float16");
});

test("NF4 leaves the embedding as narrow or wide as the file has it", async () => {
  const narrow = (await loadWeights(half, { storage: "nf4" })).embedding;
  expect(narrow.dtype).toBe("float16");
  const { vocabSize, hiddenSize } = half.config;
  const stored = await half.read("model.embed_tokens.weight", [vocabSize, hiddenSize]);
  const kept = decodeFloat16((await wholeOf(narrow)).data as Uint16Array);
  for (const [i, value] of stored.entries()) expect(Math.abs(kept[i]! - value)).toBeLessThanOrEqual(2 ** -25);
  const wide = await loadWeights(await open("llama"), { storage: "nf4" });
  expect(wide.embedding.dtype).toBe("float32");
});

/** Loads a tiny model in which one value is another. */
async function loadDamaged(value: number, options: LoadOptions): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "slimtune-damaged-"));
  try {
    const file = await openSafetensorsFile("fixtures/reference/models/llama-wide/model.safetensors");
    const tensors = [...file.tensors.values()].map(({ name, shape }) => ({
      name,
      dtype: "float32" as const,
      shape,
      data: async () => {
        const data = await file.readFloat32(name);
        if (name.endsWith("layers.0.mlp.up_proj.weight")) data[3] = value;
        return data;
      },
    }));
    await writeSafetensors(join(folder, "model.safetensors"), tensors);
    file.close();
    copyFileSync("fixtures/reference/models/llama-wide/config.json", join(folder, "config.json"));
    await loadWeights(await openCheckpoint(folder), options);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a value beyond float16's range is refused by the tensor's name", async () => {
  await expect(loadDamaged(1e5, { storage: "float16" })).rejects.toThrow(
    /"model\.layers\.0\.mlp\.up_proj\.weight" has values beyond float16's range/,
  );
});

test.each(["nf4", "int8"] as const)("what is no number is not quantized to %s", async (storage) => {
  for (const value of [Number.NaN, Number.NEGATIVE_INFINITY]) {
    await expect(loadDamaged(value, { storage })).rejects.toThrow(
      /the tensor "model\.layers\.0\.mlp\.up_proj\.weight" has values that are not finite numbers/,
    );
  }
});
