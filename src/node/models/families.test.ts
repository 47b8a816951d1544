import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { frozen } from "../../core/adapters/adaptation.ts";
import { type Parameters, zerosLike } from "../../core/adapters/parameters.ts";
import { listTensors } from "../../core/architectures/modules.ts";
import type { TokenBatch } from "../../core/data/batch.ts";
import { createEngine } from "../../core/engine/engine.ts";
import { InputError } from "../../core/errors.ts";
import type { Model } from "../../core/models/model.ts";
import { readAdapter } from "../adapters/peft-files.ts";
import { mergeWeights } from "../export/merged-weights.ts";
import { openTinyModel } from "../export/tiny-models.fixture.ts";
import { openSafetensorsFile } from "../formats/safetensors.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { openModel } from "./open-model.ts";
import { writeGgufModel } from "./write-gguf.ts";
import { writeModel } from "./write-model.ts";

// Made by reference/families.py with Transformers and PEFT, two seeds of each family.
const root = "fixtures/reference/families";
const names = readdirSync(root).filter((name) => existsSync(join(root, name, "config.json")));

/** GGUF cannot say their windows, rotations, biases or caps. */
const inexpressible = [
  "gemma2-2",
  "gemma3-1",
  "gemma3-2",
  "gemma3_text-2",
  "llama-yarn-2",
  "olmo3-1",
  "olmo3-2",
  "smollm3-2",
];

const device = openDevice("cpu", { threads: 1 });
const scratch = mkdtempSync(join(tmpdir(), "slimtune-families-"));
afterAll(() => rmSync(scratch, { recursive: true }));

async function readFloats(path: string, name: string): Promise<Float32Array> {
  const file = await openSafetensorsFile(path);
  const values = await file.readFloat32(name);
  file.close();
  return values;
}

async function readRows(path: string, name = "input_ids"): Promise<TokenBatch> {
  const file = await openSafetensorsFile(path);
  const [rows, length] = file.tensors.get(name)!.shape as [number, number];
  const { buffer } = await file.readBytes(name);
  file.close();
  const inputIds = Int32Array.from(new BigInt64Array(buffer), Number);
  return {
    rows,
    length,
    inputIds,
    positionIds: Int32Array.from(inputIds, (_, i) => i % length),
    segmentIds: new Int32Array(inputIds.length).fill(1),
  };
}

const allPositions = (batch: TokenBatch) => Int32Array.from(batch.inputIds.keys());

function largestDifference(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i]!)), 0);
}

/** Opens a folder that needs a tokenizer from a copy that has one. */
function open(path: string): Promise<Model> {
  return path.endsWith(".gguf") ? openModel(path) : openTinyModel(scratch, basename(path), root);
}

async function logitsOf(model: Model, batch: TokenBatch): Promise<Float32Array> {
  const { config, weights } = model;
  const engine = createEngine(device, config, weights, frozen, { segmentSize: config.numHiddenLayers });
  const logits = await engine.logits(batch, allPositions(batch), new Map());
  await engine.release();
  return logits;
}

describe.each(names)("%s", (name) => {
  const folder = join(root, name);
  const golden = join(folder, "golden.safetensors");
  const gguf = join(folder, "model.gguf");

  test("the folder's logits equal Transformers'", async () => {
    const model = await open(folder);
    const batch = await readRows(golden);
    expect(largestDifference(await logitsOf(model, batch), await readFloats(golden, "logits"))).toBeLessThan(
      1e-4,
    );
  });

  test.each([1, 0])("logits and gradients under LoRA equal PEFT's, in segments of %s", async (blocks) => {
    const { config, weights } = await open(folder);
    const adapterFolder = join(folder, "adapter");
    const adapterGolden = join(adapterFolder, "golden.safetensors");
    const { adaptation, parameters } = await readAdapter(adapterFolder, config, "any");
    const segmentSize = blocks === 0 ? config.numHiddenLayers : blocks;
    const engine = createEngine(device, config, weights, adaptation, { segmentSize });
    const batch = await readRows(adapterGolden);
    const labels = (await readRows(adapterGolden, "labels")).inputIds;
    const labelled = [...labels.keys()].filter((i) => i % batch.length !== 0 && labels[i] !== -100);
    const withLabels = {
      ...batch,
      labelPositions: Int32Array.from(labelled, (i) => i - 1),
      labels: Int32Array.from(labelled, (i) => labels[i]!),
    };
    const logits = await engine.logits(batch, allPositions(batch), parameters);
    expect(largestDifference(logits, await readFloats(adapterGolden, "logits"))).toBeLessThan(1e-4);
    const gradients = zerosLike(parameters);
    await engine.accumulate(withLabels, parameters, gradients, { weights: 1 / labelled.length });
    await engine.release();
    const inLanguagePart = (parameter: string) => parameter.replace(/^model\./, "model.language_model.");
    const storedName = name.startsWith("gemma3-") ? inLanguagePart : (parameter: string) => parameter;
    expect(await relativeError(gradients, adapterGolden, storedName)).toBeLessThan(1e-3);
  });

  test.runIf(existsSync(gguf))("its GGUF file's logits are the same", async () => {
    const batch = await readRows(golden);
    const logits = await logitsOf(await openModel(gguf), batch);
    expect(largestDifference(logits, await readFloats(golden, "logits"))).toBeLessThan(1e-4);
  });

  test("it is written as a folder, and read back", async () => {
    const model = await open(existsSync(gguf) ? gguf : folder);
    const written = mkdtempSync(join(scratch, "written-"));
    if (name === "granitemoehybrid-2") {
      // Its GGUF file is read as Granite 3.
      await expect(writeModel(written, model, tensorsOf(model))).rejects.toThrow("does not rotate queries");
      return;
    }
    await writeModel(written, model, tensorsOf(model));
    const batch = await readRows(golden);
    const logits = await logitsOf(await openModel(written), batch);
    expect(largestDifference(logits, await readFloats(golden, "logits"))).toBeLessThan(1e-4);
  });

  test("it is written as GGUF, and read back, or refused for what GGUF cannot say", async () => {
    const model = await open(folder);
    const written = join(scratch, `${name}.gguf`);
    const writing = writeGgufModel(written, model, "f32", tensorsOf(model));
    if (inexpressible.includes(name)) {
      await expect(writing).rejects.toThrow(InputError);
      return;
    }
    await writing;
    const reopened = await openModel(written);
    const batch = await readRows(golden);
    // Where llama.cpp knows no window, no context is longer than it.
    if (reopened.config.maxPositionEmbeddings < batch.length) return;
    const logits = await logitsOf(reopened, batch);
    expect(largestDifference(logits, await readFloats(golden, "logits"))).toBeLessThan(1e-4);
  });
});

function tensorsOf(model: Model): (name: string) => Promise<Float32Array> {
  const merged = mergeWeights(device, model);
  expect(listTensors(model.config).length).toBeGreaterThan(0);
  return (name) => merged.tensor(name);
}

/** The largest of all tensors' errors, by their norms. */
async function relativeError(
  gradients: Parameters,
  path: string,
  storedName: (name: string) => string,
): Promise<number> {
  const squares = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0);
  let largest = 0;
  for (const [name, { data }] of gradients) {
    const expected = await readFloats(path, `grad.base_model.model.${storedName(name)}`);
    const difference = expected.map((value, i) => value - data[i]!);
    largest = Math.max(largest, Math.sqrt(squares(difference) / squares(expected)));
  }
  return largest;
}

interface Rotations {
  readonly model: string;
  readonly changes: Record<string, object>;
}
const rotations: Rotations = JSON.parse(readFileSync(join(root, "rotations.json"), "utf8"));

test.each(Object.entries(rotations.changes))("the rotation is Transformers': %s", async (name, change) => {
  const path = join(root, "rotations.safetensors");
  const folder = mkdtempSync(join(scratch, "rotation-"));
  await openTinyModel(scratch, rotations.model);
  cpSync(join(scratch, rotations.model), folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, ...change }));
  (await openCheckpoint(folder)).close();
  const reading = logitsOf(await openModel(folder), await readRows(path));
  if (name === "dynamic beyond its length")
    await expect(reading).rejects.toThrow('other frequencies in texts of more than 16 tokens ("dynamic")');
  else expect(largestDifference(await reading, await readFloats(path, name))).toBeLessThan(1e-4);
});
