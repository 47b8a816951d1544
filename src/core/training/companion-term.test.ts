import { expect, test } from "vitest";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { lora, loraConfigSchema } from "../adapters/lora.ts";
import { initializeParameters, type Parameters, zerosLike } from "../adapters/parameters.ts";
import { type BatchOptions, buildMicroBatches, type TokenizedExample } from "../data/batch.ts";
import { createEngine, type Engine } from "../engine/engine.ts";
import { loadWeights } from "../models/load-weights.ts";
import { createObjective } from "../objectives/objectives.ts";
import { createRandom } from "../random.ts";
import { computeCompanionTerm } from "./companion-term.ts";
import { accumulateLoss, type LossPlan } from "./step-loss.ts";

const device = openDevice("cpu", { threads: 1 });
const checkpoint = await openCheckpoint("fixtures/reference/models/llama");
const { config } = checkpoint;
const weights = await loadWeights(checkpoint);
const adaptation = lora(loraConfigSchema.parse({ r: 2, lora_alpha: 4 }), config);
const parameters = await initializeParameters(config, adaptation, weights, 1);
const random = createRandom(3);
for (const { data, isFrozen } of parameters.values())
  if (!isFrozen) for (const i of data.keys()) data[i] = 0.1 * random.normal();

/** A prompt of some length, and an answer of which all tokens are labels. */
function text(promptLength: number, seed: number, answer: readonly number[]): TokenizedExample {
  const prompt = Array.from({ length: promptLength }, (_, i) => (i * 7 + 13 * seed) % config.vocabSize);
  return {
    ids: Int32Array.from([...prompt, ...answer]),
    trained: Uint8Array.from([...prompt.map(() => 0), ...answer.map(() => 1)]),
  };
}

const examples = [
  { texts: [text(5, 1, [3, 9, 4]), text(11, 2, [3, 9, 4])] },
  { texts: [text(40, 3, [8]), text(6, 4, [8])], weight: 0.5 },
  // From the second label on the answers differ, as they may where a tokenizer joins their beginning with the prompt's end.
  { texts: [text(9, 5, [7, 2, 1]), text(3, 6, [7, 5, 1, 2])] },
];
const together: BatchOptions = { microBatchTokens: 1024, packing: false };
const texts = examples.flatMap((example) => example.texts);
const open = (segmentSize: number) => createEngine(device, config, weights, adaptation, { segmentSize });
const compute = (engine: Engine, of: Parameters, weight: number) =>
  computeCompanionTerm(engine, of, examples, buildMicroBatches(texts, together), weight);

test("places with the same label are compared, each times the weight of its example", async () => {
  const engine = open(1);
  const one = buildMicroBatches(texts, together);
  const states = new Map<number, number[][]>();
  for (const batch of one) {
    const values = await engine.states(batch, parameters);
    for (const [label, owner] of batch.labelExamples.entries()) {
      const row = [...values.subarray(label * config.hiddenSize, (label + 1) * config.hiddenSize)];
      states.set(owner, [...(states.get(owner) ?? []), row]);
    }
  }
  const distance = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, value, c) => sum + (value - b[c]!) ** 2, 0) / config.hiddenSize;
  const at = (owner: number, label: number) => states.get(owner)![label]!;
  const expected =
    ([0, 1, 2].reduce((sum, label) => sum + distance(at(0, label), at(1, label)), 0) +
      0.5 * distance(at(2, 0), at(3, 0)) +
      distance(at(4, 0), at(5, 0))) /
    5;
  expect((await compute(engine, parameters, 1)).mean()).toBeCloseTo(expected, 5);
  await engine.release();
});

test("gradients equal finite differences", async () => {
  const engine = open(1);
  const gradients = zerosLike(parameters);
  const term = await compute(engine, parameters, 3);
  for (const [batch, stateGradient] of term.gradients)
    await engine.accumulate(batch, parameters, gradients, { weights: 0, stateGradient });
  const direction = new Map(
    [...parameters].map(([name, { data }]) => [name, data.map(() => random.normal())]),
  );
  const along = async (step: number) => {
    const moved: Parameters = new Map(
      [...parameters].map(([name, { dims, data }]) => [
        name,
        { dims, data: data.map((value, i) => value + step * direction.get(name)![i]!) },
      ]),
    );
    return 3 * (await compute(engine, moved, 1)).mean();
  };
  const numeric = ((await along(1 / 512)) - (await along(-1 / 512))) * 256;
  const analytic = [...gradients].reduce(
    (sum, [name, { data }]) => sum + data.reduce((part, g, i) => part + g * direction.get(name)![i]!, 0),
    0,
  );
  expect(Math.abs(analytic)).toBeGreaterThan(0.01);
  expect(Math.abs(numeric - analytic)).toBeLessThan(0.01 * Math.abs(analytic));
  await engine.release();
});

test("the step is the same however its texts are divided", async () => {
  const step = async (batching: BatchOptions, segmentSize: number, companion_weight = 2) => {
    const engine = open(segmentSize);
    const gradients = zerosLike(parameters);
    const plan: LossPlan = {
      objective: createObjective("companion", { companion_weight }),
      examplesOf: () => examples,
      heldOut: [],
      batching,
      seed: 0,
    };
    const { value } = await accumulateLoss(engine, plan, 0, examples, parameters, gradients);
    await engine.release();
    return { value, gradients };
  };
  const difference = (a: Parameters, b: Parameters) => {
    const square = (values: (name: string, i: number) => number) =>
      [...a].reduce(
        (sum, [name, { data }]) => sum + data.reduce((s, _, i) => s + values(name, i) ** 2, 0),
        0,
      );
    const of = (name: string, i: number) => a.get(name)!.data[i]!;
    return Math.sqrt(square((name, i) => of(name, i) - b.get(name)!.data[i]!) / square(of));
  };
  const whole = await step(together, config.numHiddenLayers);
  const { loss, metrics } = whole.value;
  expect(loss).toBeCloseTo(metrics.task_loss! + 2 * metrics.companion!, 12);
  for (const batching of [
    { microBatchTokens: 48, packing: false },
    { microBatchTokens: 96, packing: true },
  ]) {
    const divided = await step(batching, 1);
    expect(divided.value.metrics.companion).toBeCloseTo(metrics.companion!, 5);
    expect(difference(whole.gradients, divided.gradients)).toBeLessThan(1e-4);
  }
  const without = await step(together, 1, 0);
  expect(without.value.loss).toBeCloseTo(metrics.task_loss!, 5);
  expect(difference(whole.gradients, without.gradients)).toBeGreaterThan(1e-2);
});
