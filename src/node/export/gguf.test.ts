import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type AdaptedModel, noAdapter } from "../../core/adapters/adapted-model.ts";
import { createEngine } from "../../core/engine/engine.ts";
import { InputError } from "../../core/errors.ts";
import { type WritableTypeName, writableTypes } from "../../core/formats/ggml-encoding.ts";
import { splitBy } from "../../core/tokenization/pre-tokenizer.ts";
import { readGgufAdapter, writeGgufAdapter } from "../adapters/gguf-files.ts";
import { loadAdapter } from "../adapters/load-adapter.ts";
import { readAdapter } from "../adapters/peft-files.ts";
import { openGgufFile } from "../formats/gguf.ts";
import { openSafetensorsFile } from "../formats/safetensors.ts";
import { openModel } from "../models/open-model.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { exportGguf, exportGgufAdapter } from "./gguf.ts";
import { openTinyModel, tinyAdapters, tinyModels, tinyTokenizer } from "./tiny-models.fixture.ts";

// The models and adapters with their logits are made by reference/tiny_models.py and reference/lora.py.
const reference = "fixtures/reference";
const device = openDevice("cpu", { threads: 1 });
const scratch = mkdtempSync(join(tmpdir(), "slimtune-gguf-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const openTiny = (name: string) => openTinyModel(scratch, name);

/** Largest difference between a model's logits and the golden ones, over the first positions of each row. */
async function differenceFrom(golden: string, model: AdaptedModel, positions: number): Promise<number> {
  const file = await openSafetensorsFile(golden);
  const [rows, length] = file.tensors.get("input_ids")!.shape as [number, number];
  const ids = new BigInt64Array((await file.readBytes("input_ids")).buffer);
  const expected = await file.readFloat32("logits");
  file.close();
  const { vocabSize } = model.config;
  const { adaptation, parameters } = model.adapter ?? noAdapter;
  const engine = createEngine(device, model.config, model.weights, adaptation, { segmentSize: 1 });
  const places = Array.from({ length: rows * positions }, (_, i) => [
    Math.floor(i / positions),
    i % positions,
  ]);
  const logits = await engine.logits(
    {
      rows,
      length: positions,
      inputIds: Int32Array.from(places, ([row, position]) => Number(ids[row! * length + position!])),
      positionIds: Int32Array.from(places, ([, position]) => position!),
      segmentIds: new Int32Array(rows * positions).fill(1),
    },
    Int32Array.from(places.keys()),
    parameters,
  );
  await engine.release();
  return places.reduce((most, [row, position], i) => {
    const place = (row! * length + position!) * vocabSize;
    const differences = Array.from({ length: vocabSize }, (_, id) =>
      Math.abs(logits[i * vocabSize + id]! - expected[place + id]!),
    );
    return Math.max(most, ...differences);
  }, 0);
}

describe.each(tinyModels)("%s as GGUF", (name) => {
  const path = (type: string) => join(scratch, `${name}-${type}.gguf`);

  test("in float32 gives Transformers' logits", async () => {
    const model = await openTiny(name);
    await exportGguf(device, model, path("f32"), { type: "f32" });
    const written = await openModel(path("f32"));
    // Mistral's context ends with its window, within which both are the same.
    const positions = name === "mistral" ? 8 : 24;
    expect(written.config.maxPositionEmbeddings).toBe(name === "mistral" ? 8 : 256);
    const golden = `${reference}/models/${name}/golden.safetensors`;
    expect(await differenceFrom(golden, written, positions)).toBeLessThanOrEqual(1e-4);
    expect(written.fingerprint).toBe(model.fingerprint);
    const { chatTemplate, eosTokenId } = model.tokenizer;
    expect(written.tokenizer).toMatchObject({ chatTemplate, eosTokenId });
    expect(written.tokenizer.encode("the Anthem 01.\n")).toEqual(model.tokenizer.encode("the Anthem 01.\n"));
  });

  test.each(["f16", "q8_0", "q5_k_m", "q4_k_m", "q4_0"] as const)(
    "in %s has the rounded weights",
    async (type) => {
      const model = await openTiny(name);
      await exportGguf(device, model, path(type), { type });
      const rounded = await openGgufFile(path(type));
      const exact = await openGgufFile(path("f32"));
      expect([...rounded.tensors.keys()]).toEqual([...exact.tensors.keys()]);
      for (const { name: tensor, shape, dtype } of rounded.tensors.values()) {
        const isRounded = type !== "f16" && shape.at(-1)! % 32 === 0;
        if (shape.length === 1) expect(dtype, tensor).toBe("F32");
        else expect(dtype.startsWith("Q"), tensor).toBe(isRounded);
        const encoded = writableTypes[dtype as WritableTypeName].encode(await exact.readFloat32(tensor));
        expect(Buffer.compare(await rounded.readBytes(tensor), encoded), tensor).toBe(0);
      }
      expect(rounded.metadata.get("general.file_type")).toBe(
        { f16: 1, q4_0: 2, q8_0: 7, q4_k_m: 15, q5_k_m: 17 }[type],
      );
      rounded.close();
      exact.close();
    },
  );
});

test("the metadata and tensors that llama.cpp reads are there", async () => {
  const path = join(scratch, "complete.gguf");
  await exportGguf(device, await openTiny("llama-rope3"), path);
  const file = await openGgufFile(path);
  expect([...file.metadata.keys()].sort()).toEqual(
    [
      ...["architecture", "file_type", "name", "quantization_version", "type"].map((key) => `general.${key}`),
      ...[
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "attention.layer_norm_rms_epsilon",
        "attention.value_length",
        "block_count",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "rope.dimension_count",
        "rope.freq_base",
        "vocab_size",
      ].map((key) => `llama.${key}`),
      "tokenizer.chat_template",
      ...[
        "add_bos_token",
        "add_eos_token",
        "eos_token_id",
        "merges",
        "model",
        "pre",
        "token_type",
        "tokens",
      ].map((key) => `tokenizer.ggml.${key}`),
    ].sort(),
  );
  const ofBlock = ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output"].concat([
    "ffn_norm",
    "ffn_gate",
    "ffn_up",
    "ffn_down",
  ]);
  expect([...file.tensors.keys()].sort()).toEqual(
    [
      ...[0, 1].flatMap((layer) => ofBlock.map((part) => `blk.${layer}.${part}.weight`)),
      ...["token_embd", "output_norm", "output", "rope_freqs"].map((part) => `${part}.weight`),
    ].sort(),
  );
  // Wavelengths of 6, 20, 63 and 199 positions: the first is kept, the last two are divided by the factor.
  const factors = [...(await file.readFloat32("rope_freqs.weight"))];
  expect(factors[0]).toBe(1);
  expect(factors[1]).toBeGreaterThan(1);
  expect(factors[1]).toBeLessThan(8);
  expect(factors.slice(2)).toEqual([8, 8]);
  file.close();
});

test("a GGUF file keeps its metadata, its tokenizer unchanged, when it is exported again", async () => {
  const first = join(scratch, "first.gguf");
  await exportGguf(device, await openTiny("llama-rope3"), first, { type: "f32" });
  const second = join(scratch, "second.gguf");
  await exportGguf(device, await openModel(first), second, { type: "q8_0" });
  const [original, again] = [await openGgufFile(first), await openGgufFile(second)];
  expect(again.metadata.get("general.file_type")).toBe(7);
  expect([...again.metadata.keys()]).toEqual([...original.metadata.keys()]);
  for (const key of original.metadata.keys()) {
    if (key === "general.file_type") continue;
    expect(await again.readEncodedValue(key), key).toEqual(await original.readEncodedValue(key));
  }
  expect(await again.readBytes("rope_freqs.weight")).toEqual(await original.readBytes("rope_freqs.weight"));
  original.close();
  again.close();
});

describe.each(tinyAdapters)("PEFT's adapter %s", (name) => {
  const folder = `${reference}/lora/${name}`;
  const golden = `${folder}/golden.safetensors`;
  const base = name.split("-")[0]!;

  test("merged and written as GGUF gives PEFT's logits", async () => {
    const path = join(scratch, `${name}.gguf`);
    await exportGguf(device, await loadAdapter(await openTiny(base), folder), path, { type: "f32" });
    expect(await differenceFrom(golden, await openModel(path), 24)).toBeLessThanOrEqual(1e-4);
  });

  test("written as a GGUF adapter and applied as llama.cpp does gives PEFT's logits", async () => {
    const path = join(scratch, `${name}-lora.gguf`);
    const model = await openTiny(base);
    await exportGgufAdapter(device, model, folder, path);
    const applied = { ...model, adapter: await readGgufAdapter(path, model.config) };
    expect(await differenceFrom(golden, applied, 24)).toBeLessThanOrEqual(1e-4);

    const file = await openGgufFile(path);
    const metadata = Object.fromEntries(file.metadata);
    expect(metadata).toEqual({
      "general.architecture": base,
      "general.type": "adapter",
      "adapter.type": "lora",
      // Over the rank of 4 this is 8 / 4, or for rsLoRA 8 / √4.
      "adapter.lora.alpha": name === "llama-rslora" ? 16 : 8,
    });
    for (const tensor of file.tensors.keys())
      expect(tensor).toMatch(/^blk\.\d+\.(attn|ffn)_[a-z]+\.weight\.lora_[ab]$/);
    file.close();
  });
});

test("what does not fit is refused, and nothing is overwritten", async () => {
  const model = await openTiny("llama");
  const existing = join(scratch, "llama-f32.gguf");
  await expect(exportGguf(device, model, existing)).rejects.toThrow(`The output file ${existing} exists`);
  await expect(exportGguf(device, model, join(scratch, "model.bin"))).rejects.toThrow('ends in ".gguf"');
  const adapter = `${reference}/lora/llama-all-linear`;
  await expect(exportGgufAdapter(device, model, adapter, existing)).rejects.toThrow("exists");
  await expect(readGgufAdapter(existing, model.config)).rejects.toThrow(InputError);
});

test("Ollama's file names model, adapter and the token that ends an answer", async () => {
  const model = await openTiny("llama");
  const path = join(scratch, "ollama.gguf");
  const modelfile = join(scratch, "ollama.Modelfile");
  writeFileSync(modelfile, "FROM elsewhere\n");
  await expect(exportGguf(device, model, path)).rejects.toThrow(`The output file ${modelfile} exists`);
  // As an interrupted export leaves it.
  writeFileSync(modelfile, 'FROM ./ollama.gguf\nPARAMETER stop "<|end|>"\n');
  await exportGguf(device, model, path);
  expect(readFileSync(modelfile, "utf8")).toBe('FROM ./ollama.gguf\nPARAMETER stop "<|end|>"\n');

  const folder = join(scratch, "other");
  mkdirSync(folder);
  await exportGgufAdapter(device, model, `${reference}/lora/llama-all-linear`, join(folder, "lora.gguf"));
  expect(readFileSync(join(folder, "lora.Modelfile"), "utf8")).toBe(
    'FROM ../llama\nADAPTER ./lora.gguf\nPARAMETER stop "<|end|>"\n',
  );
});

test("a tokenizer that GGUF cannot express is refused before anything is written", async () => {
  const model = await openTiny("llama-bias");
  const split = splitBy("\\w+");
  writeFileSync(
    join(model.path, "tokenizer.json"),
    JSON.stringify({ ...tinyTokenizer, pre_tokenizer: split }),
  );
  const path = join(scratch, "words.gguf");
  await expect(exportGguf(device, model, path)).rejects.toThrow("by a rule that llama.cpp lacks");
  expect(existsSync(path) || existsSync(join(scratch, "words.Modelfile"))).toBe(false);
});

test("an adapter with more than A and B is refused, and merging named", async () => {
  const { config, fingerprint } = await openTiny("llama");
  const { adaptation, parameters } = await readAdapter(`${reference}/lora/llama-dora`, config, fingerprint);
  const path = join(scratch, "dora.gguf");
  const written = writeGgufAdapter(path, { adaptation, parameters }, config);
  await expect(written).rejects.toThrow(InputError);
  await expect(written).rejects.toThrow(/lora_magnitude_vector.*merge it into the model instead/);
  expect(existsSync(path)).toBe(false);
});
