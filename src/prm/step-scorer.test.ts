import { afterAll, describe, expect, test } from "vitest";
import { frozen } from "../core/adapters/adaptation.ts";
import { buildMicroBatches } from "../core/data/batch.ts";
import { createExampleReader } from "../core/data/example.ts";
import { prepareExample } from "../core/data/prepare-example.ts";
import { createEngine } from "../core/engine/engine.ts";
import { sigmoid } from "../core/objectives/logistic.ts";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { createStepScorer } from "./step-scorer.ts";

const device = openDevice("cpu", { threads: 1 });
const model = await openModel("fixtures/embedded-model");
const question = "Tom has 3 pens and gets 4 more. How many pens does he have?";
const steps = ["3 + 4 = 7", "Tom has 7 pens.", "#### 7"];
const scorer = createStepScorer(model, { device });
afterAll(scorer.release);

/** Of the whole text at once, as it is trained on. */
async function rewardsOfText(chat: boolean, separator: string) {
  const read = createExampleReader("f", {}, "steps");
  const row = { prompt: question, completions: steps, labels: steps.map(() => 1) };
  const options = { trainOn: "completion", applyChatTemplate: chat, stepSeparator: separator } as const;
  const { examples } = prepareExample(read({ fields: row, line: 1 }), model.tokenizer, options, "f");
  const [batch] = buildMicroBatches(examples[0]!.texts, { microBatchTokens: 512, packing: false });
  const engine = createEngine(device, model.config, model.weights, frozen, { segmentSize: 1 });
  const scores = await engine.score(batch!, new Map());
  await engine.release();
  const tokens = examples[0]!.texts[0]!.ids.length;
  return { rewards: steps.map((_, i) => sigmoid(scores[2 * i]! - scores[2 * i + 1]!)), tokens };
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of actual.entries()) expect(value).toBeCloseTo(expected[i]!, 5);
}

describe.each([
  [true, "\n"],
  [false, "\n\n"],
])("with chat %s and steps that end with %j", (chat, separator) => {
  test("rewards are those of the text that the model is tuned on", async () => {
    const scorer = createStepScorer(model, { device, chat, separator });
    const expected = await rewardsOfText(chat, separator);
    const judged = await scorer.judge(question, steps);
    await scorer.release();
    expectClose(judged.rewards, expected.rewards);
    expect(judged.tokens).toBe(expected.tokens);
  });
});

test("steps after a path are computed once, and the path too", async () => {
  const scorer = createStepScorer(model, { device });
  const whole = await rewardsOfText(true, "\n");
  const rewards: number[] = [];
  let tokens = 0;
  for (const [i, step] of steps.entries()) {
    const scores = await scorer.score(question, steps.slice(0, i), [step, step]);
    rewards.push(scores.rewards[0]!);
    expect(scores.rewards[1]).toBe(scores.rewards[0]);
    tokens += scores.tokens;
  }
  expectClose(rewards, whole.rewards);
  expect(tokens).toBe(whole.tokens);
  expect((await scorer.score(question, steps.slice(0, 2), [steps[2]!])).tokens).toBe(0);
  await scorer.release();
});

test("what is asked for at the same time has the same rewards side by side as alone, and shares the path", async () => {
  const candidates = [
    "3 + 4 = 8",
    "3 + 4 = 7",
    "He has 3 + 4 = 7 pens, since he had 3 of them before he got 4.",
    "7",
  ];
  const fresh = () => createStepScorer(model, { device });
  const alone: number[] = [];
  for (const candidate of candidates) {
    const one = fresh();
    const { rewards } = await one.score(question, [steps[0]!], [candidate]);
    alone.push(rewards[0]!);
    await one.release();
  }
  const together = fresh();
  const [first, ...others] = await Promise.all([
    ...candidates.map((candidate) => together.score(question, [steps[0]!], [candidate])),
    together.score(question, [], [steps[0]!]),
  ]);
  await together.release();
  const length = (text: string) => model.tokenizer.encode(text).length + model.tokenizer.encode("\n").length;
  expectClose(
    [first, ...others].slice(0, -1).flatMap(({ rewards }) => rewards),
    alone,
  );
  expect(others.map(({ tokens }) => tokens)).toEqual([...candidates.slice(1).map(length), 0]);
  expect(first.tokens).toBeGreaterThan(length(candidates[0]!) + length(steps[0]!));
});

test("what no longer fits in the cache is computed again", async () => {
  const small = createStepScorer(model, { device, cacheBytes: 1 });
  const once = await small.judge(question, steps);
  await small.judge("Anna has 5 books.", steps);
  const again = await small.judge(question, steps);
  await small.release();
  expectClose(again.rewards, once.rewards);
  expect(again.tokens).toBe(once.tokens);
});

test("a solution that does not fit, or a question without a word, is refused, and others are not", async () => {
  const long = Array.from({ length: 400 }, (_, i) => `Step ${i}: 3 + 4 = 7 pens.`);
  const plain = createStepScorer(model, { device, chat: false });
  const [refused, judged, empty] = await Promise.allSettled([
    scorer.judge(question, long),
    scorer.judge(question, steps),
    plain.judge("", steps),
  ]);
  await plain.release();
  expect(refused).toMatchObject({
    reason: { message: expect.stringContaining("does not fit into the context of") },
  });
  expect(judged.status).toBe("fulfilled");
  expect(model.tokenizer.addsBosToken || empty.status === "rejected").toBe(true);
});
