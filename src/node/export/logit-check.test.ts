import { expect, test } from "vitest";
import { type AdaptedModel, noAdapter } from "../../core/adapters/adapted-model.ts";
import { readBaseTensor } from "../../core/adapters/parameters.ts";
import { embeddingName } from "../../core/architectures/modules.ts";
import { createEngine } from "../../core/engine/engine.ts";
import { InputError } from "../../core/errors.ts";
import { createRandom } from "../../core/random.ts";
import { float32 } from "../../core/runtime/device.ts";
import { openModel } from "../models/open-model.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { checkLogits, describeCheck } from "./logit-check.ts";

const device = openDevice("cpu", { threads: 1 });
const model = await openModel("fixtures/embedded-model");
const { config, tokenizer, weights } = model;
const path = "written.gguf";

function example(text: string) {
  const ids = Int32Array.from(tokenizer.encode(text));
  return { ids, trained: new Uint8Array(ids.length).fill(1) };
}

/** The model with another embedding of each token, or of those that are named. */
async function alter(size: number, tokens?: readonly number[]): Promise<AdaptedModel> {
  const embedding = Float32Array.from(await readBaseTensor(weights, embeddingName));
  const random = createRandom(1);
  for (let token = 0; token < config.vocabSize; token++) {
    if (tokens && !tokens.includes(token)) continue;
    for (let i = 0; i < config.hiddenSize; i++) {
      embedding[token * config.hiddenSize + i]! += size * random.normal();
    }
  }
  return { ...model, weights: { ...weights, embedding: float32(embedding, weights.embedding.dims) } };
}

test("a model is equal to itself, on a page of plain English", async () => {
  const check = await checkLogits(device, model, model, { path, tolerance: 0 });
  expect(check).toMatchObject({
    verdict: "equal to",
    text: "plain English",
    positions: 512,
    sameLikeliest: 1,
    divergence: 0,
    relativeError: 0,
    maxLogitDifference: 0,
  });
  expect(describeCheck(check)).toBe(
    "equal to the tuned model: 100.0 % of likeliest tokens equal on 512 tokens of plain English, divergence 0.0 nats",
  );
});

test("all positions are compared: likeliest tokens, divergence, and differences as a share of the spread", async () => {
  const written = await alter(0.01);
  const texts = [
    example("Tom has 3 pens and buys 4 pens. How many pens has Tom?"),
    example("Anna has a dog."),
  ];
  const check = await checkLogits(device, model, written, { path, tolerance: 1, examples: texts });

  let [positions, same, divergence, difference, spread, largest] = [0, 0, 0, 0, 0, 0];
  for (const { ids } of texts) {
    const [before, after] = await Promise.all(
      [model, written].map(async (one: AdaptedModel) => {
        const engine = createEngine(device, config, one.weights, noAdapter.adaptation, { segmentSize: 1 });
        const places = Int32Array.from(ids.keys());
        const segmentIds = new Int32Array(ids.length).fill(1);
        const row = { rows: 1, length: ids.length, inputIds: ids, positionIds: places, segmentIds };
        const logits = await engine.logits(row, places, new Map());
        await engine.release();
        return Array.from(ids, (_, i) => [
          ...logits.subarray(i * config.vocabSize, (i + 1) * config.vocabSize),
        ]);
      }),
    );
    for (const [i, p] of before!.entries()) {
      const q = after![i]!;
      const logs = [p, q].map((row) => {
        const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
        return row.map((logit) => logit - Math.log(total));
      });
      const mean = (row: readonly number[]) => row.reduce((sum, value) => sum + value, 0) / row.length;
      const [meanP, meanQ] = [mean(p), mean(q)];
      positions++;
      if (p.indexOf(Math.max(...p)) === q.indexOf(Math.max(...q))) same++;
      for (const [token, logP] of logs[0]!.entries()) {
        divergence += Math.exp(logP) * (logP - logs[1]![token]!);
        difference += (p[token]! - meanP - q[token]! + meanQ) ** 2;
        spread += (p[token]! - meanP) ** 2;
        largest = Math.max(largest, Math.abs(p[token]! - q[token]!));
      }
    }
  }
  expect(same).toBeLessThan(positions);
  expect(check).toMatchObject({ text: "your data", positions, sameLikeliest: same / positions });
  expect(check.divergence / (divergence / positions)).toBeCloseTo(1, 3);
  expect(check.relativeError / Math.sqrt(difference / spread)).toBeCloseTo(1, 3);
  expect(check.maxLogitDifference / largest).toBeCloseTo(1, 3);
});

test("what differs after one token only is found where that is read", async () => {
  const [pens] = tokenizer.encode(" pens");
  const written = await alter(0.5, [pens!]);
  const options = { path, tolerance: 2 ** -4 };
  const examples = [example("Tom has 3 books.")];
  expect((await checkLogits(device, model, written, { ...options, examples })).verdict).toBe("equal to");
  const error = await checkLogits(device, model, written, {
    ...options,
    examples: [...examples, example("Tom has 3 pens.")],
  }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InputError);
  expect((error as Error).message).toMatch(
    /^What was made for written\.gguf does not compute what model and adapter do: its logits differ by [\d.]+ % of their spread, and its type explains 6\.3 % at most; it was not kept\.$/,
  );
});

test("verdicts follow the divergence", async () => {
  const verdicts = [];
  for (const size of [1e-5, 0.001, 0.005, 0.02, 0.1]) {
    const { verdict } = await checkLogits(device, model, await alter(size), {
      path,
      tolerance: Number.POSITIVE_INFINITY,
    });
    verdicts.push(verdict);
  }
  expect(verdicts).toEqual(["equal to", "very close to", "close to", "noticeably apart from", "far from"]);
});

test("weights that are no numbers are no small difference", async () => {
  await expect(
    checkLogits(device, model, await alter(Number.NaN), { path, tolerance: Number.POSITIVE_INFINITY }),
  ).rejects.toThrow("it was not kept");
});
