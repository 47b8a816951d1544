import { afterAll, expect, test } from "vitest";
import { noAdapter } from "../core/adapters/adapted-model.ts";
import { createDecoder, extendText } from "../core/engine/decoder.ts";
import { createKeyValues } from "../core/engine/key-values.ts";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { createRepresentation, energySimilarity } from "./representation.ts";

const device = openDevice("cpu", { threads: 1 });
const model = await openModel("fixtures/embedded-model");
const representation = createRepresentation(device, model);
afterAll(() => representation.release());

test("a text is the mean direction of its states behind the lower half of the blocks", async () => {
  const texts = [
    "Tom has 3 pens.",
    "A cat.",
    "The dog lives in a house. It barks and likes bones. ".repeat(60),
  ];
  const vectors = await representation.embed(texts);

  const config = { ...model.config, numHiddenLayers: Math.ceil(model.config.numHiddenLayers / 2) };
  const decoder = createDecoder(device, { config, weights: model.weights }, noAdapter);
  for (const [i, text] of texts.entries()) {
    const ids = model.tokenizer.encode(text, { addSpecialTokens: true }).slice(0, 128);
    const { hidden } = await extendText(decoder, ids, createKeyValues(config, 1, 0));
    const width = config.hiddenSize;
    const expected = new Float64Array(width);
    for (let token = 0; token < ids.length; token++) {
      const state = Array.from(hidden.data.slice(token * width, (token + 1) * width) as Float32Array);
      for (const [j, value] of state.entries()) expected[j]! += value / Math.hypot(...state) / ids.length;
    }
    expect(vectors[i]!.length).toBe(width);
    for (const [j, value] of expected.entries()) expect(vectors[i]![j]).toBeCloseTo(value, 5);
  }
  await decoder.release();
});

const points = (...values: number[]) => values.map((value) => Float32Array.of(value, 0));

test("the similarity of two sets is that of their distances", () => {
  // Within the sets 1 and 3; between them 4, 7, 3 and 6, so 5 on average.
  expect(energySimilarity(points(0, 1), points(4, 7))).toBeCloseTo((1 + 3) / (2 * 5), 6);
  expect(energySimilarity(points(10, 20), points(50, 80))).toBeCloseTo((1 + 3) / (2 * 5), 6);
});

test("too few vectors, or equal ones, have no similarity", () => {
  expect(energySimilarity(points(1), points(4, 7))).toBeNull();
  expect(energySimilarity(points(1, 1), points(1, 1))).toBeNull();
});
