import { describe, expect, test } from "vitest";
import { readAdapter } from "../../node/adapters/peft-files.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { noAdapter } from "../adapters/adapted-model.ts";
import type { ModelConfig } from "../architectures/architecture.ts";
import { loadWeights } from "../models/load-weights.ts";
import { createDecoder, type DecoderOptions } from "./decoder.ts";
import { createEngine } from "./engine.ts";
import { copyTokens, createKeyValues, firstRows, type KeyValues } from "./key-values.ts";

const device = openDevice("cpu", { threads: 1 });
const models = ["llama", "llama-head-dim", "llama-tied", "mistral", "qwen2", "qwen3"];

async function openModel(name: string) {
  const checkpoint = await openCheckpoint(`fixtures/reference/models/${name}`);
  return { config: checkpoint.config, weights: await loadWeights(checkpoint) };
}

function drawIds(count: number, { vocabSize }: ModelConfig, seed: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (i * i * 7 + i * 13 + seed * 31 + 1) % vocabSize);
}

/** Logits at every position of one row, by the engine without a cache. */
function referenceLogits(model: Awaited<ReturnType<typeof openModel>>, ids: Int32Array, adapter = noAdapter) {
  const engine = createEngine(device, model.config, model.weights, adapter.adaptation, { segmentSize: 1 });
  const positions = Int32Array.from(ids.keys());
  const row = {
    rows: 1,
    length: ids.length,
    inputIds: ids,
    positionIds: positions,
    segmentIds: new Int32Array(ids.length).fill(1),
  };
  return engine.logits(row, positions, adapter.parameters);
}

function row(ids: Int32Array, start: number) {
  return {
    rows: 1,
    length: ids.length,
    inputIds: ids,
    positionIds: Int32Array.from(ids.keys(), (i) => i + start),
  };
}

function expectClose(actual: Float32Array, expected: Float32Array, tolerance = 1e-4) {
  expect(actual.length).toBe(expected.length);
  const difference = actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
  expect(difference).toBeLessThan(tolerance);
}

const nothing = (config: ModelConfig): [KeyValues, Int32Array] => [
  createKeyValues(config, 1, 0),
  Int32Array.of(0),
];

describe.each(models)("%s", async (name) => {
  const model = await openModel(name);
  const { config } = model;
  const { vocabSize } = config;

  test("a text in two parts has the logits of the whole", async () => {
    const ids = drawIds(40, config, 1);
    const expected = await referenceLogits(model, ids);
    const decoder = createDecoder(device, model, noAdapter);
    const first = await decoder.extend(row(ids.subarray(0, 25), 0), ...nothing(config));
    const second = await decoder.extend(row(ids.subarray(25), 25), first.keyValues, Int32Array.of(25));
    expectClose(
      await decoder.logits(
        first.hidden,
        Int32Array.from({ length: 25 }, (_, i) => i),
      ),
      expected.subarray(0, 25 * vocabSize),
    );
    expectClose(
      await decoder.logits(
        second.hidden,
        Int32Array.from({ length: 15 }, (_, i) => i),
      ),
      expected.subarray(25 * vocabSize),
    );
    await decoder.release();
  });

  test("rows of different lengths are written token by token", async () => {
    const decoder = createDecoder(device, model, noAdapter);
    const texts = [drawIds(12, config, 2), drawIds(30, config, 3)];
    const prompts = [5, 21];
    const cache = createKeyValues(config, 3, 64);
    for (const [index, text] of texts.entries()) {
      const prompt = text.subarray(0, prompts[index]);
      const { keyValues } = await decoder.extend(row(prompt, 0), ...nothing(config));
      copyTokens(config, keyValues, { row: 0, start: 0 }, cache, { row: index, start: 0 }, prompt.length);
    }
    const references = await Promise.all(texts.map((text) => referenceLogits(model, text)));
    for (let step = 0; step < 7; step++) {
      const filled = Int32Array.from(prompts, (length) => length + step);
      const tokens = {
        rows: 2,
        length: 1,
        inputIds: Int32Array.from(texts, (text, index) => text[filled[index]!]!),
        positionIds: filled,
      };
      const { logits, keyValues } = await decoder.step(tokens, firstRows(cache, 2), filled);
      for (const [index, reference] of references.entries()) {
        const position = filled[index]!;
        expectClose(
          logits.subarray(index * vocabSize, (index + 1) * vocabSize),
          reference.subarray(position * vocabSize, (position + 1) * vocabSize),
        );
        copyTokens(config, keyValues, { row: index, start: 0 }, cache, { row: index, start: position }, 1);
      }
    }
    await decoder.release();
  });

  test("a step with weights of 8 bits changes the logits little", async () => {
    const ids = drawIds(13, config, 9);
    const prompt = ids.subarray(0, 12);
    const stepOf = async (options: DecoderOptions) => {
      const decoder = createDecoder(device, model, noAdapter, options);
      const { keyValues } = await decoder.extend(row(prompt, 0), ...nothing(config));
      const { logits } = await decoder.step(row(ids.subarray(12), 12), keyValues, Int32Array.of(12));
      await decoder.release();
      return logits;
    };
    const [exact, quantized] = [await stepOf({}), await stepOf({ stepBits: 8 })];
    const spread = Math.hypot(...exact);
    const change = Math.hypot(...exact.map((value, i) => value - quantized[i]!));
    expect(change).toBeGreaterThan(0);
    // The inputs of products are rounded to 8 bits too; weights taken for one another would change all.
    expect(change / spread).toBeLessThan(0.1);
  });

  test("continuations of a shared beginning do not see each other", async () => {
    const decoder = createDecoder(device, model, noAdapter);
    const preamble = drawIds(9, config, 4);
    const context = drawIds(6, config, 5);
    const continuations = [drawIds(4, config, 6), drawIds(7, config, 7)];
    const { keyValues } = await decoder.extend(row(preamble, 0), ...nothing(config));
    const ids = [...context, ...continuations.flatMap((ids) => [...ids])];
    const start = preamble.length + context.length;
    const tokens = {
      rows: 2,
      length: ids.length,
      inputIds: Int32Array.from([...ids, ...ids]),
      positionIds: Int32Array.from(
        Array.from({ length: 2 }, () => [
          ...Array.from(context.keys(), (i) => preamble.length + i),
          ...continuations.flatMap((part) => Array.from(part.keys(), (i) => start + i)),
        ]).flat(),
      ),
      branchIds: Int32Array.from(
        Array.from({ length: 2 }, () => [
          ...context.map(() => 0),
          ...continuations.flatMap((part, index) => Array.from(part, () => index + 1)),
        ]).flat(),
      ),
    };
    const filled = Int32Array.of(preamble.length, preamble.length);
    const { hidden } = await decoder.extend(tokens, keyValues, filled);
    let offset = context.length;
    for (const part of continuations) {
      const whole = Int32Array.from([...preamble, ...context, ...part]);
      const reference = await referenceLogits(model, whole);
      const labels = part.map((_, i) => whole[start + i]!);
      const places = Int32Array.from(part.keys(), (i) => (i === 0 ? context.length - 1 : offset + i - 1)).map(
        (place) => place + ids.length,
      );
      const scores = await decoder.score(hidden, places, labels);
      for (const [i, label] of labels.entries()) {
        const logits = reference.subarray((start + i - 1) * vocabSize, (start + i) * vocabSize);
        const largest = Math.max(...logits);
        const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
        expect(scores.logProbabilities[i]).toBeCloseTo(logits[label]! - largest - Math.log(sum), 4);
        expect(scores.likeliest[i]).toBe(logits.indexOf(largest));
      }
      offset += part.length;
    }
    await decoder.release();
  });
});

test.each(["llama-all-linear", "llama-dora"])("the adapter %s applies without merging", async (name) => {
  const model = await openModel("llama");
  const adapter = await readAdapter(`fixtures/reference/lora/${name}`, model.config, "any");
  const ids = drawIds(20, model.config, 8);
  const expected = await referenceLogits(model, ids, adapter);
  const decoder = createDecoder(device, model, adapter);
  const { hidden } = await decoder.extend(row(ids, 0), ...nothing(model.config));
  expectClose(await decoder.logits(hidden, Int32Array.from(ids.keys())), expected);
  const plain = await referenceLogits(model, ids);
  expect(Math.max(...plain.map((value, i) => Math.abs(value - expected[i]!)))).toBeGreaterThan(1e-2);
  await decoder.release();
});
