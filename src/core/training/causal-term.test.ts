import { expect, test } from "vitest";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { adaptionPrompt, adaptionPromptSchema } from "../adapters/adaption-prompt.ts";
import { initializeParameters, type Parameters, zerosLike } from "../adapters/parameters.ts";
import { type BatchOptions, buildMicroBatches } from "../data/batch.ts";
import { createEngine } from "../engine/engine.ts";
import { loadWeights } from "../models/load-weights.ts";
import { sft } from "../objectives/sft.ts";
import { createRandom } from "../random.ts";
import { computeCausalTerm, varianceOverTexts } from "./causal-term.ts";
import { accumulateLoss, type LossPlan } from "./step-loss.ts";

const device = openDevice("cpu", { threads: 1 });
const checkpoint = await openCheckpoint("fixtures/reference/models/llama");
const { config } = checkpoint;
const weights = await loadWeights(checkpoint);
const adaptation = adaptionPrompt(adaptionPromptSchema.parse({ adapter_len: 4, gate: "head" }), config, 2);
const parameters = await initializeParameters(config, adaptation, weights, 1);
const random = createRandom(3);
for (const [name, { data }] of parameters)
  if (name.endsWith("adaption_gate")) for (const i of data.keys()) data[i] = 0.5 + 0.2 * random.normal();

const examples = [7, 90, 12, 30, 3].map((length, text) => ({
  texts: [
    {
      ids: Int32Array.from({ length }, (_, i) => (i * i * 5 + 11 * i + 17 * text) % config.vocabSize),
      trained: new Uint8Array(length).fill(1),
    },
  ],
}));
const together: BatchOptions = { microBatchTokens: 1024, packing: false };

test("the variance is unbiased, and of places that two texts have", () => {
  const batch = (rows: number[][]) => {
    const flat = rows.flat();
    return {
      rows: rows.length,
      length: 3,
      inputIds: new Int32Array(flat.length),
      positionIds: Int32Array.from(flat.keys(), (i) => i % 3),
      segmentIds: Int32Array.from(flat, (each) => each),
    };
  };
  const first = batch([
    [1, 1, 0],
    [1, 1, 1],
  ]);
  const second = batch([[1, 0, 0]]);
  const { mean, gradients } = varianceOverTexts(
    new Map([
      [first, Float32Array.of(1, 5, 2, 6, 99, 99, 3, 5, 8, 2, 7, 7)],
      [second, Float32Array.of(8, 5, 99, 99, 99, 99)],
    ]),
    0.5,
  );
  // The first place has 1, 3, 8 and 5, 5, 5; the second 2, 8 and 6, 2; of the third there is one text.
  expect(mean).toBeCloseTo((13 + 0 + 18 + 8) / 4, 12);
  const expected = [-3 / 8, 0, -3 / 4, 1 / 2, 0, 0, -1 / 8, 0, 3 / 4, -1 / 2, 0, 0];
  for (const [i, value] of expected.entries()) expect(gradients.get(first)![i]).toBeCloseTo(value, 6);
  expect([...gradients.get(second)!]).toEqual([0.5, 0, 0, 0, 0, 0]);
});

test("of one text there is no variance", () => {
  const [batch] = buildMicroBatches(examples[0]!.texts, together);
  const { mean, gradients } = varianceOverTexts(new Map([[batch!, new Float32Array(64).fill(2)]]));
  expect(mean).toBe(0);
  expect(gradients.get(batch!)).toEqual(new Float32Array(64));
});

test("gradients equal finite differences", async () => {
  const engine = createEngine(device, config, weights, adaptation, { segmentSize: 1 });
  const batches = buildMicroBatches(
    examples.flatMap(({ texts }) => texts),
    together,
  );
  const gradients = zerosLike(parameters);
  const { gradients: ofContributions } = await computeCausalTerm(engine, parameters, batches, 3);
  for (const batch of batches) {
    const contributionGradient = ofContributions.get(batch)!;
    await engine.accumulate(batch, parameters, gradients, { weights: 0, contributionGradient });
  }
  for (const kind of ["adaption_gate", "adaption_prompt"]) {
    const directions = new Map(
      [...parameters].map(([name, { data }]) => [
        name,
        data.map(() => (name.endsWith(kind) ? random.normal() : 0)),
      ]),
    );
    const along = async (step: number) => {
      const moved: Parameters = new Map(
        [...parameters].map(([name, { dims, data }]) => [
          name,
          { dims, data: data.map((value, i) => value + step * directions.get(name)![i]!) },
        ]),
      );
      return 3 * (await computeCausalTerm(engine, moved, batches, 1)).mean();
    };
    const numeric = (await along(1 / 128)) * 64 - (await along(-1 / 128)) * 64;
    const analytic = [...gradients].reduce(
      (sum, [name, { data }]) => sum + data.reduce((part, g, i) => part + g * directions.get(name)![i]!, 0),
      0,
    );
    expect(Math.abs(analytic), kind).toBeGreaterThan(0.01);
    expect(Math.abs(numeric - analytic), kind).toBeLessThan(0.01 * Math.abs(analytic));
  }
  await engine.release();
});

test("the step is the same however its examples are divided", async () => {
  const compute = async (batching: BatchOptions, segmentSize: number, causalWeight = 2) => {
    const engine = createEngine(device, config, weights, adaptation, { segmentSize });
    const gradients = zerosLike(parameters);
    const plan: LossPlan = {
      objective: sft,
      causalWeight,
      examplesOf: () => examples,
      heldOut: [],
      batching,
      seed: 0,
    };
    const { value } = await accumulateLoss(engine, plan, 0, examples, parameters, gradients);
    await engine.release();
    return { value, gradients };
  };
  const whole = await compute(together, config.numHiddenLayers);
  const { loss, metrics } = whole.value;
  expect(metrics.causal).toBeGreaterThan(0);
  expect(loss).toBeCloseTo(metrics.task_loss! + 2 * metrics.causal!, 12);
  const difference = (a: Parameters, b: Parameters) =>
    Math.max(
      ...[...a].map(
        ([name, { data }]) =>
          Math.hypot(...data.map((value, i) => value - b.get(name)!.data[i]!)) / Math.hypot(...data),
      ),
    );
  for (const [batching, segmentSize] of [
    [{ microBatchTokens: 64, packing: false }, 1],
    [{ microBatchTokens: 128, packing: false }, config.numHiddenLayers],
    [{ microBatchTokens: 192, packing: true }, 1],
  ] as const) {
    const divided = await compute(batching, segmentSize);
    expect(divided.value.loss).toBeCloseTo(loss, 5);
    expect(divided.value.metrics.causal).toBeCloseTo(metrics.causal!, 6);
    expect(difference(whole.gradients, divided.gradients)).toBeLessThan(1e-4);
  }
  const without = await compute(together, 1, 0);
  expect(without.value.loss).toBeCloseTo(metrics.task_loss!, 5);
  expect(difference(whole.gradients, without.gradients)).toBeGreaterThan(1e-2);
});
