import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { full } from "../../core/adapters/adaptation.ts";
import { initializeParameters, zerosLike } from "../../core/adapters/parameters.ts";
import { buildMicroBatches, type TokenizedExample } from "../../core/data/batch.ts";
import type { Predictions } from "../../core/engine/divergence-layer.ts";
import { createEngine } from "../../core/engine/engine.ts";
import { loadWeights } from "../../core/models/load-weights.ts";
import { forwardKl } from "../../core/objectives/divergences.ts";
import { createRandom } from "../../core/random.ts";
import { float32 } from "../../core/runtime/device.ts";
import { openSafetensorsFile } from "../../node/formats/safetensors.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { distillationBytes } from "../accounting.ts";
import { predictPublicTexts, teachPublicTexts } from "./public-texts.ts";
import {
  aggregatePredictions,
  decodePredictions,
  encodePredictions,
  likeliestOf,
  type SparsePredictions,
} from "./sparse-predictions.ts";

interface Told {
  readonly tokens: readonly (readonly number[])[];
  readonly logProbabilities: readonly (readonly number[])[];
  readonly logRest: readonly number[];
}
interface Distilled extends Told {
  readonly rows: readonly number[];
}
// Made by reference/federated_distillation.py with PyTorch.
const golden: {
  readonly ids: readonly number[];
  readonly temperature: number;
  readonly entries: number;
  readonly vocabSize: number;
  readonly weights: readonly number[];
  readonly clients: readonly Told[];
  readonly mean: Distilled;
  readonly confidence: Distilled;
} = JSON.parse(readFileSync("fixtures/federation/distillation.json", "utf8"));
const gradientsFile = await openSafetensorsFile("fixtures/federation/distillation.safetensors");
const { temperature, entries, vocabSize } = golden;

const predictionsOf = ({ tokens, logProbabilities, logRest }: Told): SparsePredictions => ({
  vocabSize,
  count: tokens.length,
  entries,
  temperature,
  tokens: Uint32Array.from(tokens.flat()),
  logProbabilities: Float32Array.from(logProbabilities.flat()),
  logRest: Float32Array.from(logRest),
});
const clients = golden.clients.map((told, i) => ({
  predictions: predictionsOf(told),
  weight: golden.weights[i]!,
}));

const checkpoint = await openCheckpoint("fixtures/reference/models/llama");
const [config, weights] = [checkpoint.config, await loadWeights(checkpoint)];
const engine = createEngine(openDevice("cpu", { threads: 1 }), config, weights, full, { segmentSize: 1 });
const parameters = await initializeParameters(config, full, weights, 0);
afterAll(async () => {
  await engine.release();
  gradientsFile.close();
});
const text: TokenizedExample = { ids: Int32Array.from(golden.ids), trained: new Uint8Array(12).fill(1) };
const other: TokenizedExample = { ids: Int32Array.of(1, 2, 3, 4, 5), trained: Uint8Array.of(0, 0, 1, 0, 1) };
const batching = { microBatchTokens: 512, packing: true };

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));

describe.each(["mean", "confidence"] as const)("by %s, clients' predictions", (consensus) => {
  const global = aggregatePredictions(clients, consensus, entries);

  test("are averaged as PyTorch does", () => {
    const expected = predictionsOf(golden[consensus]);
    expect(global.tokens).toEqual(expected.tokens);
    expect(largestDifference(global.logProbabilities, expected.logProbabilities)).toBeLessThan(1e-5);
    expect(largestDifference(global.logRest, expected.logRest)).toBeLessThan(1e-5);
  });

  test("are distilled with PyTorch's divergences and gradients", async () => {
    const predict = teachPublicTexts(engine, parameters, [text], global);
    const [batch] = buildMicroBatches([text], batching);
    const positions = batch!.labelPositions;
    const gradients = zerosLike(parameters);
    const teacher = await predict(batch!, positions);
    const { divergences } = await engine.accumulate(batch!, parameters, gradients, {
      weights: 0,
      distillation: { teacher, positions, divergence: forwardKl, weights: 1 / positions.length },
    });
    expect(largestDifference(divergences, golden[consensus].rows)).toBeLessThan(1e-4);
    const names = [...gradientsFile.tensors.keys()].filter((name) => name.startsWith(consensus));
    expect(names).toHaveLength(5);
    for (const name of names) {
      const expected = await gradientsFile.readFloat32(name);
      const largest = Math.max(...expected.map(Math.abs));
      const { data } = gradients.get(name.slice(consensus.length + 1))!;
      expect(largestDifference(data, expected) / largest, name).toBeLessThan(1e-4);
    }
  });
});

test("what a model says of public texts is what it teaches, however they are divided", async () => {
  const texts = [other, text];
  const own = await predictPublicTexts(engine, parameters, texts, { entries, temperature, batching });
  expect(own.count).toBe(2 + 11);
  const apart = await predictPublicTexts(engine, parameters, texts, {
    entries,
    temperature,
    batching: { microBatchTokens: 1, packing: false },
  });
  expect(apart.tokens).toEqual(own.tokens);
  const predict = teachPublicTexts(engine, parameters, texts, own);
  for (const batch of buildMicroBatches([text, other], batching)) {
    const teacher = await predict(batch, batch.labelPositions);
    const options = { teacher, positions: batch.labelPositions, divergence: forwardKl };
    for (const divergence of await engine.divergences(batch, parameters, options))
      expect(Math.abs(divergence)).toBeLessThan(1e-5);
  }
});

describe("sparse predictions", () => {
  function draw(seed: number, count: number, size: number): Predictions & { readonly whole: Float64Array } {
    const random = createRandom(seed);
    const whole = new Float64Array(count * size);
    for (let position = 0; position < count; position++) {
      const logits = Array.from({ length: size }, () => 3 * random.normal());
      const normalizer = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
      whole.set(
        logits.map((logit) => logit - normalizer),
        position * size,
      );
    }
    return {
      vocabSize: size,
      count,
      temperature: 1,
      whole,
      async logProbabilities(positions, { start, end }) {
        const rows = Array.from({ length: positions.end - positions.start }, (_, i) => [
          ...whole.subarray((positions.start + i) * size + start, (positions.start + i) * size + end),
        ]);
        return float32(Float32Array.from(rows.flat()), [rows.length, end - start]);
      },
    };
  }

  test("are the likeliest, over more tiles than one, and the rest is the others'", async () => {
    const size = 5000;
    const predictions = draw(1, 3, size);
    const found = await likeliestOf(predictions, 20);
    for (let position = 0; position < 3; position++) {
      const sorted = [...predictions.whole.subarray(position * size, (position + 1) * size)].sort(
        (a, b) => b - a,
      );
      const told = found.logProbabilities.subarray(20 * position, 20 * (position + 1));
      expect(largestDifference(told, sorted)).toBeLessThan(1e-5);
      const rest = sorted.slice(20).reduce((sum, value) => sum + Math.exp(value), 0);
      expect(found.logRest[position]).toBeCloseTo(Math.log(rest), 4);
    }
  });

  test("of all entries average to the mean of the distributions", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 4 }), async (seed, number) => {
        const all = Array.from({ length: number }, (_, i) => draw(seed + i, 2, 9));
        const told = await Promise.all(all.map((each) => likeliestOf(each, 9)));
        const global = aggregatePredictions(
          told.map((predictions, i) => ({ predictions, weight: i + 1 })),
          "mean",
          9,
        );
        const total = (number * (number + 1)) / 2;
        for (const [i, token] of global.tokens.entries()) {
          const place = 9 * Math.floor(i / 9) + token;
          const mean = all.reduce(
            (sum, { whole }, client) => sum + ((client + 1) / total) * Math.exp(whole[place]!),
            0,
          );
          expect(Math.exp(global.logProbabilities[i]!)).toBeCloseTo(mean, 5);
        }
        expect([...global.logRest]).toEqual([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
      }),
      { numRuns: 20 },
    );
  });

  test.each(["float32", "float16"] as const)(
    "in %s have the bytes of the formula, and come back",
    (format) => {
      const [{ predictions }] = clients as [(typeof clients)[0]];
      const encoded = encodePredictions(predictions, format);
      const { up } = distillationBytes({
        positions: predictions.count,
        entries,
        vocabSize,
        bytes: format === "float32" ? 4 : 2,
      });
      expect(encoded.bytes.length).toBe(up);
      const decoded = decodePredictions(encoded);
      expect(decoded.tokens).toEqual(predictions.tokens);
      const tolerance = format === "float32" ? 0 : 1e-2;
      expect(largestDifference(decoded.logProbabilities, predictions.logProbabilities)).toBeLessThanOrEqual(
        tolerance,
      );
      expect(largestDifference(decoded.logRest, predictions.logRest)).toBeLessThanOrEqual(tolerance);
    },
  );

  const [first] = clients as [(typeof clients)[0]];
  const changed = (change: Partial<SparsePredictions>) => [
    first,
    { ...first, predictions: { ...first.predictions, ...change } },
  ];
  test.each<[string, () => unknown, RegExp]>([
    ["of nobody", () => aggregatePredictions([], "mean", 3), /No client sent predictions/],
    [
      "of another vocabulary",
      () => aggregatePredictions(changed({ vocabSize: 65 }), "mean", 3),
      /client number 1 have a vocabSize of 65, and those of the first 64/,
    ],
    [
      "of another temperature",
      () => aggregatePredictions(changed({ temperature: 1 }), "mean", 3),
      /temperature of 1/,
    ],
    [
      "that are no distribution",
      () => aggregatePredictions(changed({ logRest: new Float32Array(11) }), "mean", 3),
      /no distribution at position 0/,
    ],
    [
      "with NaN",
      () =>
        aggregatePredictions(changed({ logProbabilities: new Float32Array(55).fill(Number.NaN) }), "mean", 3),
      /add up to NaN/,
    ],
    [
      "of tokens beyond the vocabulary",
      () => aggregatePredictions(changed({ tokens: new Uint32Array(55).fill(64) }), "mean", 3),
      /no distribution at position 0/,
    ],
    [
      "of too few bytes",
      () => decodePredictions({ ...encodePredictions(first.predictions, "float32"), count: 12 }),
      /12 predictions of 5 entries in float32 have 528 bytes, and 484 came/,
    ],
    [
      "of other texts",
      () => teachPublicTexts(engine, parameters, [other], first.predictions),
      /predictions for 11 positions, and the public texts have 2/,
    ],
  ])("%s are refused", (_, act, message) => {
    expect(act).toThrow(message);
  });

  test("for a text that is not public are refused", async () => {
    const predict = teachPublicTexts(engine, parameters, [text], first.predictions);
    const [batch] = buildMicroBatches([other], batching);
    await expect(predict(batch!, batch!.labelPositions)).rejects.toThrow(/not one of the public texts/);
    await expect(likeliestOf(draw(0, 1, 3), 0)).rejects.toThrow(/0 entries cannot be sent/);
    await expect(
      predictPublicTexts(engine, parameters, [{ ids: Int32Array.of(1), trained: Uint8Array.of(1) }], {
        entries,
        batching,
      }),
    ).rejects.toThrow(/no token to predict/);
  });
});
