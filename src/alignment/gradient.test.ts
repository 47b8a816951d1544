import { afterAll, expect, test } from "vitest";
import { lora, loraConfigSchema } from "../core/adapters/lora.ts";
import { initializeParameters, zerosLike } from "../core/adapters/parameters.ts";
import { buildBatch, type TokenizedExample } from "../core/data/batch.ts";
import { createEngine } from "../core/engine/engine.ts";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { createGradients } from "./gradient.ts";
import { meanCosine } from "./mean-cosine.ts";

const device = openDevice("cpu", { threads: 1 });
const model = await openModel("fixtures/embedded-model");
const gradients = await createGradients(device, model, 7);
afterAll(() => gradients.release());

function example(prompt: string, completion: string): TokenizedExample {
  const ids = model.tokenizer.encode(prompt + completion);
  const given = model.tokenizer.encode(prompt).length;
  return { ids: Int32Array.from(ids), trained: new Uint8Array(ids.length).fill(1, given) };
}

const sums = [example("3 + 4 =", " 7"), example("Look: 3 + 4 =", " 7")];
const words = [example("3 and 4 make", " 7"), example("Look: 3 and 4 make", " 7")];

test("cosines are those of the adapter's gradients, computed one example at a time", async () => {
  const adaptation = lora(loraConfigSchema.parse({}), model.config);
  const parameters = await initializeParameters(model.config, adaptation, model.weights, 7);
  const engine = createEngine(device, model.config, model.weights, adaptation, { segmentSize: 1 });
  const gradientOf = async (one: TokenizedExample) => {
    const sum = zerosLike(parameters);
    const batch = buildBatch([one], [[0]], one.ids.length);
    await engine.accumulate(batch, parameters, sum, { weights: 1 });
    return [...sum.values()].flatMap(({ data }) => Array.from(data));
  };
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((s, x, i) => s + x * b[i]!, 0);
  const cosine = (a: readonly number[], b: readonly number[]) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  const [a1, a2] = [await gradientOf(sums[0]!), await gradientOf(sums[1]!)];
  const [b1, b2] = [await gradientOf(words[0]!), await gradientOf(words[1]!)];
  const between = (cosine(a1, b1) + cosine(a1, b2) + cosine(a2, b1) + cosine(a2, b2)) / 4;
  const expected = between / Math.sqrt(cosine(a1, a2) * cosine(b1, b2));
  await engine.release();

  const [a, b] = [await gradients.directionsOf(sums), await gradients.directionsOf(words)];
  expect(meanCosine(a, b)).toBeCloseTo(expected, 5);
});

test("examples are divided into at most 8 steps, and those without a label are left out", async () => {
  const many = Array.from({ length: 20 }, (_, i) => example(`${i} + 1 =`, ` ${i + 1}`));
  const done: [number, number][] = [];
  const { count } = await gradients.directionsOf(many, (step, steps) => done.push([step, steps]));
  expect(count).toBe(8);
  expect(done.at(-1)).toEqual([8, 8]);

  const blank = { ids: sums[0]!.ids, trained: new Uint8Array(sums[0]!.ids.length) };
  expect(await gradients.directionsOf([blank, ...sums])).toEqual(await gradients.directionsOf(sums));
  expect(await gradients.directionsOf([blank])).toMatchObject({ count: 0 });
});

test("of a long prompt the end is kept, and of a long completion the beginning", async () => {
  const story = "Tom has 3 pens and Ann has 4 books. ".repeat(60);
  const ids = model.tokenizer.encode(story);
  expect(ids.length).toBeGreaterThan(520);
  const answer = model.tokenizer.encode(" Tom has 3 pens.");
  const whole = (given: readonly number[], completion: readonly number[]) => ({
    ids: Int32Array.from([...given, ...completion]),
    trained: Uint8Array.from([...given.map(() => 0), ...completion.map(() => 1)]),
  });
  const cut = await gradients.directionsOf([whole(ids, answer)]);
  const end = whole(ids.slice(-(512 - answer.length)), answer);
  expect(cut).toEqual(await gradients.directionsOf([end]));

  const long = await gradients.directionsOf([whole(answer, ids)]);
  const beginning = whole(answer.slice(-1), ids.slice(0, 511));
  expect(long).toEqual(await gradients.directionsOf([beginning]));
});

test("of long examples fewer are taken, and more if more are given", async () => {
  const ids = Int32Array.from(model.tokenizer.encode("Tom has 3 pens and Ann has 4 books. ".repeat(60)));
  const long = Array.from({ length: 80 }, (_, i) => ({
    ids: ids.slice(i, i + 500),
    trained: new Uint8Array(500).fill(1, 490),
  }));
  // Each of the few examples is a step of its own.
  const four = await gradients.directionsOf(long.slice(0, 4));
  expect(four.count).toBe(4);
  expect(await gradients.directionsOf(long.slice(0, 64))).toEqual(four);
  expect(await gradients.directionsOf(long)).toMatchObject({ count: 5 });
});
