import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, expect, test } from "vitest";
import { InputError } from "../core/errors.ts";
import { openModel } from "../node/models/open-model.ts";
import { serveModel } from "../server/serve-command.fixture.ts";
import { evaluate } from "./evaluate.ts";
import { createLocalModel } from "./local-model.ts";
import { type PreparationOptions, prepareTasks } from "./prepare.ts";
import { createRemoteModel, type OpenAIClient } from "./remote-model.ts";
import { type EvaluationOptions, type EvaluationOutcome, runEvaluation } from "./run-evaluation.ts";

const server = await serveModel("fixtures/embedded-model");
const client = new OpenAI({ baseURL: server.baseURL, apiKey: "none", maxRetries: 0 });
const local = createLocalModel(await openModel("fixtures/embedded-model"));
afterAll(async () => {
  server.stop();
  await local.release();
});

const options: PreparationOptions = { dataDir: "fixtures/evaluation/excerpts", numFewshot: 1 };
/** A client that nobody answers. */
const silent = new OpenAI({ baseURL: "http://127.0.0.1:9/v1", apiKey: "none", maxRetries: 0 });

test.each([false, true])(
  "what our server writes scores as the model itself, in conversations: %s",
  async (chat) => {
    const remote = createRemoteModel(client, { model: "embedded-model" });
    const answersOf = async (model: typeof remote) => {
      const { tasks } = await prepareTasks(["gsm8k"], {
        ...options,
        ...(chat && { applyChatTemplate: model.applyChatTemplate }),
      });
      const { tasks: evaluated, tokens } = await evaluate(model, tasks);
      return {
        answers: evaluated[0]!.samples.map(({ answers }) => answers),
        scores: evaluated[0]!.scores,
        tokens,
      };
    };
    const [here, there] = [await answersOf(local), await answersOf(remote)];
    expect(there.answers).toEqual(here.answers);
    const ofTexts = here.scores.filter(({ metric }) => metric === "exact_match");
    expect(there.scores).toEqual(ofTexts);
    expect(there.tokens.generated).toBe(here.tokens.generated);
  },
);

test("an evaluation asks a server by its address, and goes on with what it has answered", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "slimtune-served-"));
  const served: EvaluationOptions = {
    ...{ model: `openai:${client.baseURL}#embedded-model`, tasks: ["gsm8k"], limit: 2, numFewshot: 0 },
    ...{ dataDir: "fixtures/evaluation/excerpts", out: join(scratch, "there") },
  };
  const there = await runEvaluation(served);
  const here = await runEvaluation({
    ...{ ...served, model: "fixtures/embedded-model", out: join(scratch, "here") },
    cache: false,
  });
  const responses = ({ samples }: EvaluationOutcome) => samples.get("gsm8k")!.map(({ resps }) => resps);
  expect(responses(there)).toEqual(responses(here));
  const again = await runEvaluation(served);
  expect(again.results.slimtune.requests).toMatchObject({ asked: 0, found: 2 });
  await expect(runEvaluation({ ...served, storage: "nf4" })).rejects.toThrow("has its own weights");
  rmSync(scratch, { recursive: true });
});

test("what a server cannot give is said, and what it refuses is passed on", async () => {
  const { tasks } = await prepareTasks(["hellaswag"], options);
  const remote = createRemoteModel(client, { model: "embedded-model" });
  await expect(evaluate(remote, tasks)).rejects.toThrow(
    new InputError(
      "A server gives no log-likelihoods of texts that it has not written, so choices and perplexities cannot be asked of it; leave those tasks out, or evaluate the model on this machine.",
    ),
  );
  const request = { context: "Anna", options: { until: ["."] } };
  await expect(createRemoteModel(client, { model: "other" }).generateUntil([request])).rejects.toThrow(
    /^The server at http:\S+ refuses a request: .*other/,
  );
  await expect(createRemoteModel(silent, { model: "any" }).generateUntil([request])).rejects.toThrow(
    "The server at http://127.0.0.1:9/v1 does not answer; start it, or correct its address.",
  );
  const endpoint = { create: async () => ({ choices: [] }) };
  const strange = { baseURL: "nowhere", completions: endpoint, chat: { completions: endpoint } };
  const asked = createRemoteModel(strange, { model: "any" });
  const chat = asked.applyChatTemplate!([{ role: "user", content: "Anna" }]);
  for (const each of [request, { ...request, context: chat }]) {
    await expect(asked.generateUntil([each])).rejects.toThrow(
      /^The server at nowhere answers with something else than OpenAI's does/,
    );
  }
});

test("settings are passed on, answers end at every stop string, and an error ends what waits", async () => {
  let underWay = 0;
  let most = 0;
  const bodies: object[] = [];
  const own: OpenAIClient = {
    baseURL: "nowhere",
    chat: silent.chat,
    completions: {
      async create(body) {
        bodies.push(body);
        most = Math.max(most, ++underWay);
        await new Promise((resolve) => setTimeout(resolve, 1));
        underWay--;
        if (body.prompt === "broken") throw new Error("broken");
        return { choices: [{ text: "so it is 4 | or not" }] };
      },
    },
  };
  const remote = createRemoteModel(own, { model: "m", concurrency: 2 });
  const request = {
    context: "q",
    options: { until: ["", "a.", "b", "c", "d", " |"], do_sample: true, top_k: 7 },
  };
  const known: number[] = [];
  const results = await remote.generateUntil([request, request, request], (index) => known.push(index));
  expect(results).toEqual(new Array(3).fill({ text: "so it is 4", tokens: 0 }));
  expect(known.sort()).toEqual([0, 1, 2]);
  expect(most).toBe(2);
  expect(bodies[0]).toEqual({
    model: "m",
    prompt: "q",
    max_tokens: 256,
    temperature: 1,
    seed: 0,
    stop: ["a.", "b", "c", "d"],
    top_k: 7,
    stream: false,
  });
  const broken = { ...request, context: "broken" };
  const many = [request, broken, ...new Array<typeof request>(20).fill(request)];
  await expect(remote.generateUntil(many)).rejects.toThrow("broken");
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(bodies.length).toBeLessThan(10);
});
