import { afterAll, expect, test } from "vitest";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import type { SearchTree } from "../search/tree.ts";
import { createLocalWriter } from "./local-writer.ts";
import { promptOf } from "./prompts.ts";
import { ruleScorer } from "./scorer.ts";
import { problem, solve } from "./scripted-writer.fixture.ts";
import { parseStrategy } from "./strategies/strategies.ts";
import type { TextRequest, Writer, Written } from "./writer.ts";

const model = await openModel("fixtures/embedded-model");
const device = openDevice("cpu", { threads: 1 });
const writer = createLocalWriter(model, { identity: "it", device });
const plain = createLocalWriter(model, { identity: "it", device, chat: false });
afterAll(() => Promise.all([writer.release(), plain.release()]));

const { signal } = new AbortController();
const messages = [{ role: "user", content: "There are 4 jars with 4 buns in each. Jack takes 9 out." }];
const request: TextRequest = { messages, maxTokens: 30, seed: 0 };

test("a text that is gone on with in parts is the text that is written at once", async () => {
  const whole = await writer.write(request, signal);
  const begun: Written[] = [];
  for (let left = 30; left > 0; left -= 7) {
    const part = await writer.write({ ...request, begun, maxTokens: Math.min(7, left) }, signal);
    begun.push(part);
    if (part.reason === "stop") break;
  }
  expect(begun.length).toBeGreaterThan(2);
  expect(begun.map(({ text }) => text).join("")).toBe(whole.text);
  expect(begun.flatMap(({ ids }) => ids!)).toEqual(whole.ids);
  // What was written before is known; the last token of a prompt is always computed.
  for (const part of begun.slice(2)) expect(part.computedPromptTokens).toBe(1);
});

test("texts drawn with the same seed are the same, and with another are others", async () => {
  const draw = (seed: number) => writer.write({ ...request, temperature: 1, seed }, signal);
  const [one, again, other] = await Promise.all([draw(1), draw(1), draw(2)]);
  expect(again.text).toBe(one.text);
  expect(other.text).not.toBe(one.text);
});

test("a search counts what the model computes: the question once, and each token that it writes", async () => {
  let written = 0;
  const counting: Writer = {
    ...writer,
    async write(...given) {
      const answer = await writer.write(...given);
      written += answer.tokens;
      return answer;
    },
  };
  const settings = { stepTokens: 16, instruction: "", temperature: 1 };
  const strategy = parseStrategy("mstar-levin:4@400");
  const { solution, computed } = await solve(strategy, counting, settings, {
    scorer: ruleScorer("equations"),
  });
  const [{ nodes }] = solution.trees as [SearchTree];
  expect(nodes.reduce((sum, { writtenTokens }) => sum + writtenTokens, 0)).toBe(written);
  const question = { messages: promptOf(problem.question), maxTokens: 1, seed: 0 };
  const { promptTokens } = await writer.write(question, signal);
  expect(writer.countPrompt!(question.messages)).toBe(promptTokens);
  expect(computed).toBe(promptTokens + written);
  expect(computed).toBeLessThanOrEqual(400);
  expect(nodes.filter(({ state }) => state === "dead end").map(({ text }) => text)).not.toEqual([]);
});

test("the log-probability of what is written is that of the same text given", async () => {
  const { text, meanLogprob, ids } = await writer.write({ ...request, logprobs: true }, signal);
  const scores = await Promise.all([writer.score!(request, text), writer.score!(request, "9 - 9 = 0")]);
  expect(scores[0].tokens).toBe(ids!.length);
  expect(scores[0].logprob / ids!.length).toBeCloseTo(meanLogprob!, 4);
  expect(scores[1].logprob).toBeLessThan(0);
});

test("a text ends where the thoughts do, by their token and not by its spelling", async () => {
  const { tokenizer } = model;
  const whole = await writer.write(request, signal);
  // Let a token in the middle be what ends thoughts.
  const place = 3;
  const endId = whole.ids![place]!;
  expect(whole.ids!.indexOf(endId)).toBe(place);
  const startId = tokenizer.encode("\n")[0]!;
  const thinking = createLocalWriter(
    {
      ...model,
      tokenizer: {
        ...tokenizer,
        idOf: (token) => ({ "<think>": startId, "</think>": endId })[token] ?? tokenizer.idOf(token),
        encode: (text, options) =>
          ({ "<think>": [startId], "</think>": [endId] })[text] ?? tokenizer.encode(text, options),
        tokenOf: (id) => (id === endId ? "</think>" : tokenizer.tokenOf(id)),
      },
    },
    { identity: "it", device },
  );
  const thoughts = await thinking.write({ ...request, stopAfterThoughts: true }, signal);
  expect(thoughts.reason).toBe("thoughts");
  expect(thoughts.ids).toEqual(whole.ids!.slice(0, place));
  // The template's last token is the line break that stands for the beginning of thoughts here.
  expect(thoughts.openThoughts).toBe("</think>");
  const answer = await thinking.write({ ...request, begun: [thoughts, "</think>"], maxTokens: 5 }, signal);
  expect(answer.ids).toEqual(whole.ids!.slice(place + 1, place + 6));
  expect(answer.openThoughts).toBeUndefined();
  await thinking.release();
});

test("in plain text the next question ends an answer, and the answer goes on from what is begun", async () => {
  const chatless = await plain.write({ ...request, begun: [" 4 * 4 ="], maxTokens: 5 }, signal);
  expect(chatless.promptTokens).toBeLessThan(60);
  expect(plain.identity).not.toBe(writer.identity);
});

test("what does not fit is said, and what fills up breaks off", async () => {
  const long = [{ role: "user", content: "bun ".repeat(600) }];
  await expect(writer.write({ ...request, messages: long }, signal)).rejects.toThrow(
    /^the question with its examples has \d+ tokens, but the model's context is 512; give fewer examples/,
  );
  const full = await writer.write({ ...request, begun: ["bun ".repeat(600)] }, signal);
  expect(full).toMatchObject({ text: "", reason: "length", tokens: 0 });
});
