import { describe, expect, test } from "vitest";
import { readAdapter } from "../../node/adapters/peft-files.ts";
import { openSafetensorsFile } from "../../node/formats/safetensors.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { frozen, full } from "../adapters/adaptation.ts";
import { initializeParameters, type Parameters, zerosLike } from "../adapters/parameters.ts";
import type { Batch, TokenBatch } from "../data/batch.ts";
import { loadWeights } from "../models/load-weights.ts";
import { chooseQueryChunks, recomputesAttention } from "./attention-mask.ts";
import { createEngine, sumLosses } from "./engine.ts";

// Made by reference/tiny_models.py and reference/lora.py with Transformers and PEFT.
const folder = "fixtures/reference";
const device = openDevice("cpu", { threads: 1 });

async function openModel(name: string) {
  const checkpoint = await openCheckpoint(`${folder}/models/${name}`);
  return { config: checkpoint.config, weights: await loadWeights(checkpoint) };
}

async function readInts(path: string, name: string): Promise<{ dims: readonly number[]; data: Int32Array }> {
  const file = await openSafetensorsFile(path);
  const { buffer } = await file.readBytes(name);
  const dims = file.tensors.get(name)!.shape;
  file.close();
  return { dims, data: Int32Array.from(new BigInt64Array(buffer), Number) };
}

async function readFloats(path: string, name: string): Promise<Float32Array> {
  const file = await openSafetensorsFile(path);
  const values = await file.readFloat32(name);
  file.close();
  return values;
}

function rowsOf({ dims, data }: { dims: readonly number[]; data: Int32Array }): TokenBatch {
  const [rows, length] = dims as [number, number];
  return {
    rows,
    length,
    inputIds: data,
    positionIds: Int32Array.from(data, (_, i) => i % length),
    segmentIds: new Int32Array(data.length).fill(1),
  };
}

/** The same rows behind another example, which they must not see, so that they reach over all chunks of the queries. */
function padRows({ rows, length, inputIds }: TokenBatch, padded: number): TokenBatch {
  const before = padded - length;
  const spread = (value: (row: number, position: number) => number) =>
    Int32Array.from({ length: rows * padded }, (_, i) =>
      value(Math.floor(i / padded), (i % padded) - before),
    );
  return {
    rows,
    length: padded,
    inputIds: spread((row, position) => (position < 0 ? -position : inputIds[row * length + position]!)),
    positionIds: spread((_row, position) => (position < 0 ? position + before : position)),
    segmentIds: spread((_row, position) => (position < 0 ? 2 : 1)),
  };
}

/** A batch with the labels of Transformers: -100 where there is none, and not shifted. */
function withLabels(batch: TokenBatch, labels: Int32Array): Batch {
  const positions = [...labels.keys()].filter((i) => i % batch.length !== 0 && labels[i] !== -100);
  return {
    ...batch,
    labelPositions: Int32Array.from(positions, (i) => i - 1),
    labels: Int32Array.from(positions, (i) => labels[i]!),
  };
}

function maxDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0);
}

/** Norm of the difference over the norm of the expected values. */
function relativeDifference(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  const norm = (values: Float32Array) => Math.hypot(...values);
  return norm(expected.map((value, i) => value - actual[i]!)) / Math.max(norm(expected), 1e-12);
}

const everyPosition = (batch: TokenBatch) => Int32Array.from(batch.inputIds.keys());
const models = [
  "llama",
  "llama-tied",
  "llama-rope3",
  "llama-bias",
  "llama-head-dim",
  "mistral",
  "qwen2",
  "qwen3",
];

describe.each(models)("logits of %s equal Transformers'", async (name) => {
  const { config, weights } = await openModel(name);
  const golden = `${folder}/models/${name}/golden.safetensors`;
  const engine = createEngine(device, config, weights, frozen, { segmentSize: 1 });

  test("of a batch", async () => {
    const batch = rowsOf(await readInts(golden, "input_ids"));
    const logits = await engine.logits(batch, everyPosition(batch), new Map());
    expect(maxDifference(logits, await readFloats(golden, "logits"))).toBeLessThanOrEqual(1e-4);
  });

  test("of two examples packed into one row", async () => {
    const ids = await readInts(golden, "packed_input_ids");
    const { data: positionIds } = await readInts(golden, "packed_position_ids");
    let segment = 0;
    const segmentIds = positionIds.map((position) => (position === 0 ? ++segment : segment));
    const batch = { ...rowsOf(ids), positionIds, segmentIds };
    const logits = await engine.logits(batch, everyPosition(batch), new Map());
    expect(maxDifference(logits, await readFloats(golden, "packed_logits"))).toBeLessThanOrEqual(1e-4);
  });

  test("of rows so long that attention goes over chunks of the queries", async () => {
    const batch = padRows(rowsOf(await readInts(golden, "input_ids")), 64);
    expect(chooseQueryChunks(batch.length)).toBeGreaterThan(1);
    const positions = everyPosition(batch).filter((position) => batch.segmentIds[position] === 1);
    const logits = await engine.logits(batch, positions, new Map());
    expect(maxDifference(logits, await readFloats(golden, "logits"))).toBeLessThanOrEqual(1e-4);
  });
});

const adapters = [
  "llama-all-linear",
  "llama-rslora",
  "llama-patterns",
  "llama-regex",
  "llama-subset",
  "qwen2-all-linear",
  "llama-dora",
  "qwen2-dora",
  "llama-layers",
  "llama-excluded",
  "llama-excluded-names",
];

describe.each(adapters)("PEFT's adapter %s", async (name) => {
  const { config, weights } = await openModel(name.split("-")[0]!);
  const path = `${folder}/lora/${name}`;
  const golden = `${path}/golden.safetensors`;
  const { adaptation, parameters } = await readAdapter(path, config, "any");
  const batch = withLabels(
    rowsOf(await readInts(golden, "input_ids")),
    (await readInts(golden, "labels")).data,
  );

  test("adapts the layers that PEFT adapts, and no other", async () => {
    const file = await openSafetensorsFile(golden);
    const trained = [...file.tensors.keys()].filter((tensor) => tensor.startsWith("grad."));
    file.close();
    const names = [...parameters.keys()].map((parameter) => `grad.base_model.model.${parameter}`);
    expect(names.sort()).toEqual(trained.sort());
  });

  test("gives PEFT's logits", async () => {
    const engine = createEngine(device, config, weights, adaptation, { segmentSize: 1 });
    const logits = await engine.logits(batch, everyPosition(batch), parameters);
    expect(maxDifference(logits, await readFloats(golden, "logits"))).toBeLessThanOrEqual(1e-4);
  });

  test.each([1, 2])("gives PEFT's loss and gradients with segments of %i", async (segmentSize) => {
    const engine = createEngine(device, config, weights, adaptation, {
      segmentSize,
      outputTile: { rows: 7, entries: 24 },
    });
    const gradients = zerosLike(parameters);
    const labels = batch.labels.length;
    const { logProbabilities } = await engine.accumulate(batch, parameters, gradients, {
      weights: 1 / labels,
    });
    const loss = sumLosses(logProbabilities);
    expect(loss / labels).toBeCloseTo((await readFloats(golden, "loss"))[0]!, 5);
    for (const [parameter, { data }] of gradients) {
      const expected = await readFloats(golden, `grad.base_model.model.${parameter}`);
      expect(relativeDifference(data, expected), parameter).toBeLessThanOrEqual(1e-3);
    }
  });
});

test("PEFT's loss and gradients in rows so long that attention's weights are computed again", async () => {
  const { config, weights } = await openModel("llama");
  const path = `${folder}/lora/llama-all-linear`;
  const golden = `${path}/golden.safetensors`;
  const { adaptation, parameters } = await readAdapter(path, config, "any");
  const short = rowsOf(await readInts(golden, "input_ids"));
  const length = 1025;
  expect(recomputesAttention(chooseQueryChunks(length))).toBe(true);
  const labels = new Int32Array(short.rows * length).fill(-100);
  for (const [i, label] of (await readInts(golden, "labels")).data.entries())
    labels[Math.floor(i / short.length) * length + (length - short.length) + (i % short.length)] = label;
  const { data: shortLabels } = await readInts(golden, "labels");
  // The first label of a row has nothing before it in the golden batch, but has here.
  for (let row = 0; row < short.rows; row++) labels[(row + 1) * length - short.length] = -100;
  const batch = withLabels(padRows(short, length), labels);
  expect(batch.labels).toEqual(withLabels(short, shortLabels).labels);
  const engine = createEngine(device, config, weights, adaptation, { segmentSize: 1 });
  const gradients = zerosLike(parameters);
  const count = batch.labels.length;
  const { logProbabilities } = await engine.accumulate(batch, parameters, gradients, { weights: 1 / count });
  const loss = sumLosses(logProbabilities);
  await engine.release();
  expect(loss / count).toBeCloseTo((await readFloats(golden, "loss"))[0]!, 5);
  for (const [parameter, { data }] of gradients) {
    const expected = await readFloats(golden, `grad.base_model.model.${parameter}`);
    expect(relativeDifference(data, expected), parameter).toBeLessThanOrEqual(1e-3);
  }
});

describe.each(["llama-rope3", "qwen2"])("full gradients of %s equal PyTorch's", async (name) => {
  const { config, weights } = await openModel(name);
  const golden = `${folder}/full-gradients.safetensors`;
  const parameters: Parameters = await initializeParameters(config, full, weights, 0);
  const batch = withLabels(
    rowsOf(await readInts(golden, `${name}/input_ids`)),
    (await readInts(golden, `${name}/labels`)).data,
  );

  test.each([1, 2])("with segments of %i", async (segmentSize) => {
    const outputTile = { rows: 7, entries: 24 };
    const engine = createEngine(device, config, weights, full, { segmentSize, outputTile });
    const gradients = zerosLike(parameters);
    const labels = batch.labels.length;
    const { logProbabilities } = await engine.accumulate(batch, parameters, gradients, {
      weights: 1 / labels,
    });
    const loss = sumLosses(logProbabilities);
    expect(loss / labels).toBeCloseTo((await readFloats(golden, `${name}/loss`))[0]!, 5);
    for (const [parameter, { data }] of gradients) {
      const expected = await readFloats(golden, `${name}/${parameter}`);
      expect(relativeDifference(data, expected), parameter).toBeLessThanOrEqual(1e-3);
    }
  });
});

test("dropout is the same when a segment is computed again, and differs between steps", async () => {
  const { config, weights } = await openModel("llama");
  const { format, settings, parameters } = await readAdapter(
    `${folder}/lora/llama-all-linear`,
    config,
    "any",
  );
  const adaptation = format.adapt({ ...settings, lora_dropout: 0.5 }, config);
  const golden = `${folder}/lora/llama-all-linear/golden.safetensors`;
  const batch = withLabels(
    rowsOf(await readInts(golden, "input_ids")),
    (await readInts(golden, "labels")).data,
  );
  const run = async (segmentSize: number, step: number) => {
    const engine = createEngine(device, config, weights, adaptation, { segmentSize });
    const gradients = zerosLike(parameters);
    const dropout = { seed: 1, step, microBatch: 0 };
    const { logProbabilities } = await engine.accumulate(batch, parameters, gradients, {
      weights: 1,
      dropout,
    });
    const loss = sumLosses(logProbabilities);
    return { loss, gradients };
  };
  const [whole, segmented, other] = [await run(2, 0), await run(1, 0), await run(1, 1)];
  expect(segmented.loss).toBeCloseTo(whole.loss, 3);
  expect(Math.abs(other.loss - whole.loss)).toBeGreaterThan(0.1);
  for (const [name, { data }] of whole.gradients) {
    expect(relativeDifference(segmented.gradients.get(name)!.data, data)).toBeLessThan(1e-4);
  }
});
