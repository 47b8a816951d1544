import { expect, test } from "vitest";
import type { AnswerLog } from "../evaluation/answer-log.ts";
import { openWriter } from "../reasoning/open-writer.ts";
import { scriptedWriter } from "../reasoning/scripted-writer.fixture.ts";
import type { Writer } from "../reasoning/writer.ts";
import { createRespondents } from "./respondent.ts";

const messages = [{ role: "user", content: "How often? Answer with the number alone." }];
const parse = (text: string) => ({ "1": 0, "2": 1 })[text];
const { signal } = new AbortController();

function createLog(): AnswerLog & { readonly kept: Map<string, unknown> } {
  const kept = new Map<string, unknown>();
  return {
    kept,
    find: (key, shape) => shape.optional().parse(kept.get(key)),
    isTaken: () => false,
    append: (key, answer) => void kept.set(key, answer),
    close() {},
  };
}

test("levels of one token or of several are as likely as they are whole", async () => {
  const writer = await openWriter("fixtures/embedded-model", undefined);
  const options = ["1", "2", "Yes", "as a rule"];
  expect(new Set(options.map((option) => writer.countTokens!(option))).size).toBeGreaterThan(1);
  const whole = await Promise.all(options.map((option) => writer.score!({ messages }, option)));
  const respond = createRespondents(writer, createLog(), { reading: "likelihoods", temperature: 0, signal });
  const { chosen, probabilities } = await respond(0).choose(messages, options, parse);
  const total = whole.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
  for (const [i, { logprob }] of whole.entries())
    expect(probabilities![i]).toBeCloseTo(Math.exp(logprob) / total, 5);
  expect(probabilities!.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
  expect(chosen).toBe(probabilities!.indexOf(Math.max(...probabilities!)));
  await writer.release();
});

test("what was answered is not asked again, and costs the same", async () => {
  const writer = scriptedWriter(() => "2");
  const log = createLog();
  const respond = createRespondents(writer, log, { reading: "written", temperature: 0.7, signal });
  const [first, second, other] = [respond(1), respond(1), respond(2)];
  expect(await first.choose(messages, ["1", "2"], parse)).toEqual({ chosen: 1 });
  expect(await second.choose(messages, ["1", "2"], parse)).toEqual({ chosen: 1 });
  expect(writer.asked).toHaveLength(1);
  expect(second.meter).toEqual(first.meter);
  expect(first.meter).toMatchObject({ calls: 1, promptTokens: 10, completionTokens: 1, seconds: 0.5 });
  await other.choose(messages, ["1", "2"], parse);
  expect(writer.asked.map(({ seed, temperature }) => [seed, temperature])).toEqual([
    [1, 0.7],
    [2, 0.7],
  ]);
});

test("what cannot be read is no answer", async () => {
  const writer = scriptedWriter(() => "I would say it depends.");
  const respond = createRespondents(writer, createLog(), { reading: "written", temperature: 0, signal });
  expect(await respond(0).choose(messages, ["1", "2"], parse)).toEqual({ chosen: undefined });
});

test("likelihoods that are no numbers end in a sentence", async () => {
  const broken: Writer = {
    ...scriptedWriter(() => ""),
    score: async () => ({ logprob: Number.NaN, tokens: 1, seconds: 0 }),
  };
  const respond = createRespondents(broken, createLog(), { reading: "likelihoods", temperature: 0, signal });
  await expect(respond(0).choose(messages, ["1", "2"], parse)).rejects.toThrow(
    "a script gives likelihoods that are no numbers; take another model.",
  );
});

test("plain text goes on with a space", async () => {
  const scored: string[] = [];
  const plain: Writer = {
    ...scriptedWriter(() => ""),
    chat: false,
    score: async (_, text) => {
      scored.push(text);
      return { logprob: -1, tokens: 1, seconds: 0 };
    },
  };
  const respond = createRespondents(plain, createLog(), { reading: "likelihoods", temperature: 0, signal });
  const { probabilities } = await respond(0).choose(messages, ["1", "2"], parse);
  expect([scored, probabilities]).toEqual([
    [" 1", " 2"],
    [0.5, 0.5],
  ]);
});
