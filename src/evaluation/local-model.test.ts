import { afterAll, describe, expect, test } from "vitest";
import { noAdapter } from "../core/adapters/adapted-model.ts";
import { argmax, logSumExp } from "../core/decoding/sample.ts";
import { createEngine } from "../core/engine/engine.ts";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { createLocalModel } from "./local-model.ts";

const device = openDevice("cpu", { threads: 1 });
const model = await openModel("fixtures/embedded-model");
const { tokenizer, config } = model;
const local = createLocalModel(model, { device, batchSize: 4 });
const engine = createEngine(device, config, model.weights, noAdapter.adaptation, { segmentSize: 1 });
afterAll(async () => {
  await local.release();
  await engine.release();
});

/** Each token's log-probability and the likeliest in its place, from the whole text without a cache. */
async function scoreAlone(ids: readonly number[]) {
  const row = {
    rows: 1,
    length: ids.length,
    inputIds: Int32Array.from(ids),
    positionIds: Int32Array.from(ids.keys()),
    segmentIds: new Int32Array(ids.length).fill(1),
  };
  const logits = await engine.logits(row, Int32Array.from(ids.keys()), new Map());
  return ids.slice(1).map((id, i) => {
    const here = logits.subarray(i * config.vocabSize, (i + 1) * config.vocabSize);
    return { logprob: here[id]! - logSumExp(here), likeliest: argmax(here) === id };
  });
}

async function scorePair(context: string, continuation: string) {
  const ids = tokenizer.encode(context + continuation, { addSpecialTokens: true });
  const known = tokenizer.encode(context.trimEnd(), { addSpecialTokens: true }).length;
  const scores = (await scoreAlone(ids)).slice(known - 1);
  return {
    logLikelihood: scores.reduce((sum, { logprob }) => sum + logprob, 0),
    isGreedy: scores.every(({ likeliest }) => likeliest),
  };
}

const preamble = Array.from(
  { length: 12 },
  (_, i) => `Tom has ${i} pens. He buys ${i + 2} more. How many pens does he have? ${2 * i + 2}.`,
).join("\n");

describe("log-likelihoods equal those of each text computed alone", () => {
  const choices = [" 7", " 12 pens", " a cat", " 7 pens and a book"];
  const pairs = [
    ...choices.map((choice) => ["Tom has 3 pens. He buys 4 more. How many?", choice] as const),
    ...choices.map((choice) => ["Anna has a dog", choice] as const),
    ["The context ends in space ", "and goes on"] as const,
    ["Sam gave Ben a book since Sam", " was kind"] as const,
    ["Sam gave Ben a book since Ben", " was kind"] as const,
    ["Anna has a dog", " 7"] as const,
    ...Array.from(
      { length: 10 },
      (_, i) => [`${preamble}\nAnna has ${i} dogs. She buys ${i * 3} more. How many?`, ` ${4 * i}`] as const,
    ),
  ];
  test("in rows that share contexts, and after a beginning that many share", async () => {
    const reported = new Map<number, unknown>();
    const before = local.tokenCounts.scored;
    const requests = pairs.map(([context, continuation]) => ({ context, continuation }));
    const results = await local.loglikelihood(requests, (index, result) => reported.set(index, result));
    for (const [index, [context, continuation]] of pairs.entries()) {
      const expected = await scorePair(context, continuation);
      expect(results[index]!.logLikelihood).toBeCloseTo(expected.logLikelihood, 3);
      expect(results[index]!.isGreedy).toBe(expected.isGreedy);
      expect(reported.get(index)).toEqual(results[index]);
    }
    const alone = pairs.reduce((sum, [c, d]) => sum + tokenizer.encode(c + d).length, 0);
    expect(local.tokenCounts.scored - before).toBeLessThan(alone / 3);

    const shards = local.divide("loglikelihood", requests, 3);
    expect(shards.length).toBeGreaterThan(1);
    const inShards: unknown[] = [];
    for (const shard of shards)
      await local.answerSome(
        "loglikelihood",
        requests,
        (index) => shard.includes(index),
        (index, result) => {
          expect(inShards[index]).toBeUndefined();
          inShards[index] = result;
        },
      );
    expect(inShards).toEqual(results);
  });

  test("without a context a text begins with the model's first token", async () => {
    const [result] = await local.loglikelihood([{ context: "", continuation: "Tom has" }]);
    const scores = await scoreAlone([
      tokenizer.bosTokenId ?? tokenizer.eosTokenId!,
      ...tokenizer.encode("Tom has"),
    ]);
    expect(result!.logLikelihood).toBeCloseTo(
      scores.reduce((sum, { logprob }) => sum + logprob, 0),
      3,
    );
  });

  test("what does not fit is cut from the left, and long texts are scored in windows", async () => {
    const long = "Tom has 3 pens and Anna has 4 books. ".repeat(80);
    const ids = tokenizer.encode(long, { addSpecialTokens: true });
    const context = config.maxPositionEmbeddings;
    expect(ids.length).toBeGreaterThan(context);
    const [cut] = await local.loglikelihood([{ context: long, continuation: "He is happy" }]);
    expect(cut!.isCut).toBe(true);
    const both = tokenizer.encode(`${long}He is happy`, { addSpecialTokens: true });
    const scored = both.length - tokenizer.encode(long.trimEnd(), { addSpecialTokens: true }).length;
    const scores = await scoreAlone(both.slice(-(context + 1)));
    expect(cut!.logLikelihood).toBeCloseTo(
      scores.slice(-scored).reduce((sum, { logprob }) => sum + logprob, 0),
      3,
    );

    const [rolling] = await local.loglikelihoodRolling([{ text: long }]);
    const whole = [tokenizer.bosTokenId ?? tokenizer.eosTokenId!, ...ids];
    let expected = 0;
    for (let scored = 0; scored < ids.length; scored += context) {
      const end = Math.min(scored + context, ids.length) + 1;
      const window = whole.slice(Math.max(0, end - context - 1), end);
      const ofWindow = await scoreAlone(window);
      expected += ofWindow.slice(scored + 1 - end).reduce((sum, { logprob }) => sum + logprob, 0);
    }
    expect(rolling! / expected).toBeCloseTo(1, 4);
  });
});

test("choices after a context that fills the model's own together have more tokens than it sees", async () => {
  const context = "Tom has 3 pens. ".repeat(71);
  const choices = [" He buys a book", " He buys a dog", " She has 4", " Anna"].map(
    (end) => `${end} and a cup`,
  );
  const asked = choices.map((continuation) => ({ context, continuation }));
  const tokens = asked.map(
    (pair) => tokenizer.encode(pair.context + pair.continuation, { addSpecialTokens: true }).length,
  );
  expect(Math.max(...tokens)).toBeLessThanOrEqual(config.maxPositionEmbeddings);
  const shared = tokenizer.encode(context.trimEnd(), { addSpecialTokens: true }).length;
  const together = tokens.reduce((sum, count) => sum + count - shared, shared);
  expect(together).toBeGreaterThan(config.maxPositionEmbeddings);
  const results = await local.loglikelihood(asked);
  for (const [i, { logLikelihood }] of results.entries()) {
    const expected = await scorePair(context, choices[i]!);
    expect(logLikelihood).toBeCloseTo(expected.logLikelihood, 3);
  }
});

test("answers end before a stop string, and their tokens are counted", async () => {
  const before = local.tokenCounts.generated;
  const requests = ["Tom has 3 pens. He", "Anna", "The dog"].map((context) => ({
    context,
    options: { until: ["."], max_gen_toks: 12 },
  }));
  const results = await local.generateUntil(requests);
  for (const { text, tokens } of results) {
    expect(text).not.toContain(".");
    expect(tokens).toBeLessThanOrEqual(12);
  }
  expect(local.tokenCounts.generated - before).toBe(results.reduce((sum, { tokens }) => sum + tokens, 0));
});

test("a prompt is cut where it leaves the answer no room", async () => {
  const options = { until: ["."], max_gen_toks: 4 };
  const long = "Tom has 3 pens. ".repeat(200);
  const [cut, whole] = await local.generateUntil([
    { context: long, options },
    { context: "Tom", options },
  ]);
  expect(cut!.isCut).toBe(true);
  expect(whole).not.toHaveProperty("isCut");
});

test("an answer for which there is no room is refused", async () => {
  const options = { until: [], max_gen_toks: config.maxPositionEmbeddings };
  await expect(local.generateUntil([{ context: "Tom", options }])).rejects.toThrow(/lower max_gen_toks/);
});
