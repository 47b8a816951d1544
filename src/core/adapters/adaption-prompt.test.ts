import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import type { ModelConfig } from "../architectures/architecture.ts";
import { createDecoder } from "../engine/decoder.ts";
import { createEngine, sumLosses } from "../engine/engine.ts";
import { createKeyValues } from "../engine/key-values.ts";
import type { Storage } from "../models/linear.ts";
import { loadWeights } from "../models/load-weights.ts";
import { createRandom } from "../random.ts";
import { frozen } from "./adaptation.ts";
import { adaptionPrompt, adaptionPromptSchema } from "./adaption-prompt.ts";
import { initializeParameters, type Parameters, zerosLike } from "./parameters.ts";

const device = openDevice("cpu", { threads: 1 });
const models = [
  ...["llama", "llama-bias", "llama-head-dim", "mistral", "qwen2", "qwen3"].map((name) => `models/${name}`),
  ...readdirSync("fixtures/reference/families")
    .filter((name) => name.endsWith("-1"))
    .map((name) => `families/${name}`),
];

async function openTiny(name: string, storage: Storage = "float32") {
  const checkpoint = await openCheckpoint(`fixtures/reference/${name}`);
  return { config: checkpoint.config, weights: await loadWeights(checkpoint, { storage }) };
}

function batchOf({ vocabSize }: ModelConfig) {
  const [rows, length] = [2, 9];
  const inputIds = Int32Array.from({ length: rows * length }, (_, i) => (i * i * 7 + 13 * i + 1) % vocabSize);
  const labelPositions = Int32Array.from(inputIds.keys()).filter((i) => i % length !== length - 1);
  return {
    rows,
    length,
    inputIds,
    positionIds: inputIds.map((_, i) => i % length),
    segmentIds: new Int32Array(inputIds.length).fill(1),
    labelPositions,
    labels: labelPositions.map((i) => inputIds[i + 1]!),
  };
}

const settings = (options: object) => adaptionPromptSchema.parse({ adapter_len: 3, ...options });

/** With gates that let through. */
function openGates(parameters: Parameters): void {
  const random = createRandom(5);
  for (const [name, { data }] of parameters)
    if (name.endsWith("adaption_gate")) for (const i of data.keys()) data[i] = 0.3 + 0.2 * random.normal();
}

const maxDifference = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

describe.each(models)("%s", async (name) => {
  const model = await openTiny(name);
  const { config, weights } = model;
  const batch = batchOf(config);
  const positions = Int32Array.from(batch.inputIds.keys());

  test.each(["scalar", "head"] as const)("gradients of a %s gate and its prompts", async (gate) => {
    const adaptation = adaptionPrompt(settings({ gate }), config);
    const parameters = await initializeParameters(config, adaptation, weights, 3);
    openGates(parameters);
    const gradients = zerosLike(parameters);
    const engine = createEngine(device, config, weights, adaptation, { segmentSize: 1 });
    await engine.accumulate(batch, parameters, gradients, { weights: 1 });

    const random = createRandom(7);
    for (const kind of ["adaption_gate", "adaption_prompt"]) {
      const moved = [...parameters].filter(([each]) => each.endsWith(kind));
      const directions = moved.map(([, { data }]) => data.map(() => random.normal()));
      const expected = moved.reduce(
        (sum, [each], i) =>
          sum + gradients.get(each)!.data.reduce((part, g, j) => part + g * directions[i]![j]!, 0),
        0,
      );
      const along = async (step: number) => {
        const at = new Map(parameters);
        for (const [i, [each, { dims, data }]] of moved.entries())
          at.set(each, { dims, data: data.map((value, j) => value + step * directions[i]![j]!) });
        return sumLosses(await engine.score(batch, at));
      };
      const step = 1 / 128;
      const numeric = ((await along(step)) - (await along(-step))) / (2 * step);
      expect(Math.abs(expected), kind).toBeGreaterThan(0.05);
      expect(Math.abs(numeric - expected), kind).toBeLessThan(0.02 * (1 + Math.abs(expected)));
    }
    await engine.release();
  });

  test("the decoder gives the same logits, of whole texts and token by token", async () => {
    const adaptation = adaptionPrompt(settings({ gate: "head", adapter_layers: 1 }), config);
    const parameters = await initializeParameters(config, adaptation, weights, 4);
    openGates(parameters);
    const engine = createEngine(device, config, weights, adaptation, {
      segmentSize: config.numHiddenLayers,
    });
    const expected = await engine.logits(batch, positions, parameters);
    await engine.release();
    const base = createEngine(device, config, weights, frozen, { segmentSize: 1 });
    expect(maxDifference(await base.logits(batch, positions, new Map()), expected)).toBeGreaterThan(1e-2);
    await base.release();

    const decoder = createDecoder(device, model, { adaptation, parameters });
    const { rows, length, inputIds, positionIds } = batch;
    const start = createKeyValues(config, rows, 0);
    const { hidden } = await decoder.extend(
      { rows, length, inputIds, positionIds },
      start,
      new Int32Array(rows),
    );
    expect(maxDifference(await decoder.logits(hidden, positions), expected)).toBeLessThan(1e-4);
    const first = { rows, length: 1, inputIds: Int32Array.of(inputIds[0]!, inputIds[length]!) };
    const { logits } = await decoder.step(
      { ...first, positionIds: new Int32Array(rows) },
      start,
      new Int32Array(rows),
    );
    const { vocabSize } = config;
    for (const row of [0, 1])
      expect(
        maxDifference(
          logits.subarray(row * vocabSize, (row + 1) * vocabSize),
          expected.subarray(row * length * vocabSize),
        ),
      ).toBeLessThan(1e-4);
    await decoder.release();
  });
});

test.each<[Storage, string]>([
  ["float32", "models/llama"],
  ["float16", "models/llama"],
  ["int8", "models/qwen3"],
  ["nf4", "families/phi3-1"],
  ["nf4", "models/llama-wide"],
])("with gates at zero it is the base to the bit: %s, %s", async (storage, name) => {
  const { config, weights } = await openTiny(name, storage);
  const batch = batchOf(config);
  const positions = Int32Array.from(batch.inputIds.keys());
  const adaptation = adaptionPrompt(settings({}), config);
  const parameters = await initializeParameters(config, adaptation, weights, 3);
  for (const segmentSize of [1, config.numHiddenLayers]) {
    const [base, adapted] = [frozen, adaptation].map((each) =>
      createEngine(device, config, weights, each, { segmentSize }),
    );
    const expected = await base!.logits(batch, positions, new Map());
    expect(await adapted!.logits(batch, positions, parameters)).toEqual(expected);
    openGates(parameters);
    expect(maxDifference(await adapted!.logits(batch, positions, parameters), expected)).toBeGreaterThan(
      1e-2,
    );
    for (const [each, { data }] of parameters) if (each.endsWith("adaption_gate")) data.fill(0);
    await base!.release();
    await adapted!.release();
  }
});

test("more layers than the model has are refused", async () => {
  const { config } = await openTiny("models/llama");
  expect(() => adaptionPrompt(settings({ adapter_layers: 3 }), config)).toThrow(
    '"adaption_prompt.adapter_layers" is 3, but the model has 2 layers; lower it.',
  );
});
