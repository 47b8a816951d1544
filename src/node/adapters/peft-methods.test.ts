import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { frozen } from "../../core/adapters/adaptation.ts";
import { listParameters, zerosLike } from "../../core/adapters/parameters.ts";
import type { Batch } from "../../core/data/batch.ts";
import { createDecoder } from "../../core/engine/decoder.ts";
import { createEngine, sumLosses } from "../../core/engine/engine.ts";
import { createKeyValues } from "../../core/engine/key-values.ts";
import { defaultOutputTile, type OutputTile } from "../../core/engine/vocabulary-slices.ts";
import { mergeAdapter } from "../export/merge.ts";
import { openTinyModel } from "../export/tiny-models.fixture.ts";
import { openSafetensorsFile } from "../formats/safetensors.ts";
import { openModel } from "../models/open-model.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { loadAdapter } from "./load-adapter.ts";
import { readAdapter, writeAdapter } from "./peft-files.ts";

// Made by reference/peft_methods.py with PEFT.
const folder = "fixtures/reference/peft-methods";
const device = openDevice("cpu", { threads: 1 });
const scratch = mkdtempSync(join(tmpdir(), "slimtune-peft-methods-"));
mkdirSync(join(scratch, "models"));
mkdirSync(join(scratch, "merged"));
/** Where what is written is kept for reference/peft_reads_ours.py. */
const written = process.env.SLIMTUNE_WRITTEN_ADAPTERS ?? join(scratch, "written");
mkdirSync(written, { recursive: true });
afterAll(() => rmSync(scratch, { recursive: true }));

/** Their results are no plain models. */
const unmergeable = [
  "adaption-prompt-llama",
  "adaption-prompt-last",
  "adaption-prompt-mistral",
  "adaption-prompt-multi-query",
];
const cases = [
  ...unmergeable,
  "ln-tuning",
  "dora-head",
  "lora-tokens-new",
  "lora-tokens-new-tied",
  "trainable-tokens",
  "trainable-tokens-tied",
  "lora-tokens",
  "lora-tokens-tied",
  "lora-tokens-by-layer",
  "lora-combined",
  "ia3-llama",
  "ia3-qwen2",
  "ia3-all-linear",
  "ia3-regex",
  "ia3-modules-to-save",
  "vera-all-linear",
  "vera-qwen2",
  "vera-no-projection",
  "lora-bias-all",
  "lora-bias-only",
  "lora-bias-qwen2",
  "lora-head",
  "lora-embeddings",
  "lora-head-embeddings",
  "lora-modules-to-save",
  "lora-modules-to-save-head",
  "lora-modules-to-save-tied",
];

interface Golden {
  readonly batch: Batch;
  readonly logits: Float32Array;
  readonly loss: number;
  /** By the names in PEFT's file. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

async function readGolden(path: string): Promise<Golden> {
  const file = await openSafetensorsFile(path);
  const integers = async (name: string) =>
    Int32Array.from(new BigInt64Array((await file.readBytes(name)).buffer), Number);
  const [rows, length] = file.tensors.get("input_ids")!.shape as [number, number];
  const inputIds = await integers("input_ids");
  const labels = await integers("labels");
  const labelled = [...labels.keys()].filter((i) => i % length !== 0 && labels[i] !== -100);
  const names = [...file.tensors.keys()].filter((name) => name.startsWith("grad."));
  const gradients = new Map<string, Float32Array>();
  for (const name of names) gradients.set(name.slice("grad.".length), await file.readFloat32(name));
  const golden = {
    batch: {
      rows,
      length,
      inputIds,
      positionIds: inputIds.map((_, i) => i % length),
      segmentIds: new Int32Array(inputIds.length).fill(1),
      labelPositions: Int32Array.from(labelled, (i) => i - 1),
      labels: Int32Array.from(labelled, (i) => labels[i]!),
    },
    logits: await file.readFloat32("logits"),
    loss: (await file.readFloat32("loss"))[0]!,
    gradients,
  };
  file.close();
  return golden;
}

interface Stored {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

async function readTensors(path: string): Promise<Map<string, Stored>> {
  const file = await openSafetensorsFile(path);
  const tensors = new Map<string, Stored>();
  for (const [name, { shape }] of file.tensors)
    tensors.set(name, { shape, data: await file.readFloat32(name) });
  file.close();
  return tensors;
}

const maxDifference = (a: Float32Array, b: Float32Array) => {
  expect(a.length).toBe(b.length);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
};
const relativeDifference = (actual: Float32Array, expected: Float32Array) =>
  Math.hypot(...expected.map((value, i) => value - actual[i]!)) / Math.max(Math.hypot(...expected), 1e-12);

const sorted = (value: unknown) => (Array.isArray(value) ? [...value].sort() : value);
/** Of the model, and of what PEFT writes a second time under another name where embedding and output layer are tied. */
const isNamedAnew = /^base_model_name_or_path$|^revision$|^modules_to_save$/;

describe.each(cases.flatMap((name) => [`${name}/1`, `${name}/2`]))("%s", async (name) => {
  const path = `${folder}/${name}`;
  const json = JSON.parse(readFileSync(join(path, "adapter_config.json"), "utf8"));
  const openBase = () => openTinyModel(join(scratch, "models"), json.base_model_name_or_path);
  const golden = await readGolden(join(path, "golden.safetensors"));
  const { batch } = golden;
  const positions = Int32Array.from(batch.inputIds.keys());

  test("logits, loss and gradients equal PEFT's", async () => {
    const model = await openBase();
    const { config, weights, adapter } = await loadAdapter(model, path);
    const { adaptation, parameters } = adapter!;
    const { format, settings } = await readAdapter(path, model.config, "any");
    // The first weights of a case block by block, the second in one segment.
    const segmentSize = name.endsWith("/1") ? 1 : config.numHiddenLayers;
    const outputTile = { rows: 7, entries: 24 };
    const engine = createEngine(device, config, weights, adaptation, { segmentSize, outputTile });
    const logits = await engine.logits(batch, positions, parameters);
    expect(maxDifference(logits, golden.logits)).toBeLessThanOrEqual(1e-4);
    const gradients = zerosLike(parameters);
    const count = batch.labels.length;
    const { logProbabilities } = await engine.accumulate(batch, parameters, gradients, {
      weights: 1 / count,
    });
    const loss = sumLosses(logProbabilities);
    expect(loss / count).toBeCloseTo(golden.loss, 5);
    expect(sumLosses(await engine.score(batch, parameters)) / count).toBeCloseTo(golden.loss, 5);
    const namesOf = format.fileNames?.(settings, config) ?? ((each) => [`base_model.model.${each}`]);
    const expected = new Map(golden.gradients);
    for (const [parameter, { data }] of gradients) {
      const fileName = namesOf(parameter)[0]!;
      expect(relativeDifference(data, expected.get(fileName)!), fileName).toBeLessThanOrEqual(1e-3);
      expected.delete(fileName);
    }
    expect([...expected.keys()]).toEqual([]);
    await engine.release();
  });

  test("the decoder, and the merged model if there is one, give the same logits", async () => {
    const adapted = await loadAdapter(await openBase(), path);
    const decoder = createDecoder(device, adapted, adapted.adapter!);
    const { rows, length, inputIds, positionIds } = batch;
    const tokens = { rows, length, inputIds, positionIds };
    const { hidden } = await decoder.extend(
      tokens,
      createKeyValues(adapted.config, rows, 0),
      new Int32Array(rows),
    );
    expect(maxDifference(await decoder.logits(hidden, positions), golden.logits)).toBeLessThanOrEqual(1e-4);
    const { logProbabilities } = await decoder.score(hidden, batch.labelPositions, batch.labels);
    const loss = -logProbabilities.reduce((sum, value) => sum + value, 0) / batch.labels.length;
    expect(loss).toBeCloseTo(golden.loss, 5);
    await decoder.release();

    const merged = join(scratch, "merged", name.replace("/", "-"));
    if (unmergeable.includes(name.split("/")[0]!)) {
      await expect(mergeAdapter(device, adapted, merged)).rejects.toThrow("so they cannot be merged");
      return;
    }
    await mergeAdapter(device, adapted, merged);
    const { config, weights } = await openModel(merged);
    const engine = createEngine(device, config, weights, frozen, { segmentSize: 1 });
    const logits = await engine.logits(batch, positions, new Map());
    expect(maxDifference(logits, golden.logits)).toBeLessThanOrEqual(1e-4);
    await engine.release();
  });

  test("what is written has PEFT's names and values", async () => {
    const model = await openBase();
    const read = await readAdapter(path, model.config, "any");
    const folder = join(written, name.replace("/", "-"));
    await writeAdapter(folder, read, read.parameters, model);
    const ours = await readTensors(join(folder, "adapter_model.safetensors"));
    const theirs = await readTensors(join(path, "adapter_model.safetensors"));
    const isUntrained = (each: string) =>
      !ours.has(each) && (read.format.isCopy?.(each) || each === "base_model.model.lm_head.weight");
    for (const each of [...theirs.keys()].filter(isUntrained)) theirs.delete(each);
    expect(new Map([...ours].sort())).toEqual(new Map([...theirs].sort()));
    const settings = JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8"));
    for (const [key, value] of Object.entries(settings))
      if (!isNamedAnew.test(key)) expect([key, sorted(value)]).toEqual([key, sorted(json[key])]);
    const readAgain = async () => (await readAdapter(folder, model.config, model.fingerprint)).settings;
    // New tokens that are trained in the embedding alone need more of the output layer than what is trained.
    if (name.startsWith("lora-tokens-new/"))
      await expect(readAgain()).rejects.toThrow("holds no row of lm_head.weight for token 64");
    else expect(await readAgain()).toEqual(read.settings);
  });
});

test.each([
  [
    "lora-embeddings-tied",
    "embedding and output layer are one in this model; train them by modules_to_save.",
  ],
  ["lora-modules-to-save-untying", "trains embed_tokens and lm_head apart from what the model ties to it"],
  ["dora-head-embeddings", "DoRA is for linear layers, so leave embed_tokens out of target_modules."],
])("refused: %s", async (name, sentence) => {
  const path = `${folder}/${name}/1`;
  const json = JSON.parse(readFileSync(join(path, "adapter_config.json"), "utf8"));
  const model = await openTinyModel(join(scratch, "models"), json.base_model_name_or_path);
  await expect(loadAdapter(model, path)).rejects.toThrow(sentence);
});

test("VeRA's matrices are those that PEFT draws", async () => {
  for (const name of ["vera-all-linear/1", "vera-all-linear/2", "vera-qwen2/1", "vera-qwen2/2"]) {
    const path = `${folder}/${name}`;
    const json = JSON.parse(readFileSync(join(path, "adapter_config.json"), "utf8"));
    const { config } = await openTinyModel(join(scratch, "models"), json.base_model_name_or_path);
    const { adaptation, parameters } = await readAdapter(path, config, "any");
    for (const { name, derive } of listParameters(config, adaptation))
      if (derive) expect(derive(), name).toEqual(parameters.get(name)!.data);
  }
});

test("dropout before the output layer is the same for any division, and no other tensor's", async () => {
  const path = `${folder}/lora-head/1`;
  const { config, weights } = await openTinyModel(join(scratch, "models"), "llama");
  const { format, settings, parameters } = await readAdapter(path, config, "any");
  const { batch } = await readGolden(join(path, "golden.safetensors"));
  const run = async (lora_dropout: number, segmentSize: number, outputTile: OutputTile) => {
    const adaptation = format.adapt({ ...settings, target_modules: ["lm_head"], lora_dropout }, config);
    const engine = createEngine(device, config, weights, adaptation, { segmentSize, outputTile });
    const gradients = zerosLike(new Map([...parameters].filter(([name]) => name.startsWith("lm_head"))));
    const dropout = { seed: 1, step: 0, microBatch: 0 };
    const { logProbabilities } = await engine.accumulate(batch, parameters, gradients, {
      weights: 1,
      dropout,
    });
    const loss = sumLosses(logProbabilities);
    await engine.release();
    return { loss, gradients };
  };
  const whole = await run(0.5, config.numHiddenLayers, defaultOutputTile);
  const divided = await run(0.5, 1, { rows: 3, entries: 24 });
  expect(divided.loss).toBeCloseTo(whole.loss, 3);
  expect(Math.abs((await run(0, 1, defaultOutputTile)).loss - whole.loss)).toBeGreaterThan(0.1);
  expect(whole.gradients.size).toBe(2);
  for (const [name, { data }] of whole.gradients)
    expect(relativeDifference(divided.gradients.get(name)!.data, data), name).toBeLessThan(1e-4);
});
