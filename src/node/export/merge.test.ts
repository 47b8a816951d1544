import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadAdapter } from "../adapters/load-adapter.ts";
import { openCheckpoint } from "../models/checkpoint.ts";
import { openModel } from "../models/open-model.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { mergeAdapter } from "./merge.ts";
import { openTinyModel } from "./tiny-models.fixture.ts";

test("an output layer of its own stays, also where the configuration ties it", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "slimtune-merge-"));
  try {
    const { path } = await openTinyModel(scratch, "llama");
    const readConfig = (folder: string) => JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
    writeFileSync(
      join(path, "config.json"),
      JSON.stringify({ ...readConfig(path), dtype: "float16", tie_word_embeddings: true }),
    );
    const model = await loadAdapter(await openModel(path), "fixtures/reference/lora/llama-subset");
    const merged = join(scratch, "merged");
    await mergeAdapter(openDevice("cpu", { threads: 1 }), model, merged);
    expect(readConfig(merged)).toMatchObject({ tie_word_embeddings: false, torch_dtype: "float32" });
    expect(readConfig(merged)).not.toHaveProperty("dtype");
    const shape = [64, 32];
    const head = async (folder: string) => (await openCheckpoint(folder)).read("lm_head.weight", shape);
    expect(await head(merged)).toEqual(await head(path));
  } finally {
    rmSync(scratch, { recursive: true });
  }
});
