import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, describe, expect, test } from "vitest";
import { InputError } from "../core/errors.ts";
import { openClient, parseServerAddress } from "../evaluation/server-address.ts";
import { createGenerator } from "../node/decoding/generate.ts";
import { openModel } from "../node/models/open-model.ts";
import { serveModel } from "../server/serve-command.fixture.ts";
import type { Problem } from "./problem.ts";
import { createRemoteWriter } from "./remote-writer.ts";
import { type ReasoningOptions, runReasoning } from "./run-reasoning.ts";
import type { TextRequest } from "./writer.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-reasoning-"));
let folders = 0;

const served = await serveModel("fixtures/embedded-model");
const model = await openModel("fixtures/embedded-model");
const generator = createGenerator(model);
const shims: Server[] = [];
afterAll(async () => {
  served.stop();
  for (const shim of shims) shim.close().closeAllConnections();
  await generator.close();
  rmSync(scratch, { recursive: true });
});

/** A server of another make: it answers each path by a function, and knows nothing of the rest. */
async function serveShim(
  answer: (path: string, body: Record<string, unknown>) => Promise<[number, unknown]>,
) {
  return serveBy(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const [status, body] = await answer(request.url!, JSON.parse(text));
    response.writeHead(status, { "content-type": "application/json", "retry-after-ms": "1" });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });
}

/** A server that begins to answer, and what it does then. */
async function serveRaw(answer: (response: ServerResponse) => void) {
  return serveBy((_request, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    answer(response);
  });
}

async function serveBy(listener: RequestListener) {
  const shim = createServer(listener);
  shims.push(shim);
  await new Promise<void>((resolve) => shim.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(shim.address() as AddressInfo).port}/v1`;
}

const problems: readonly Problem[] = [
  "There are 4 jars with 4 buns in each. Jack takes 9 out. How many buns are left?",
  "One bowl has 8 plums in it and another has 5. How many plums are there in all?",
  "Rosa had 5 apples. Then Zoe gave Rosa 1 more. How many apples has Rosa now?",
].map((question, i) => ({ task: "buns", id: String(i), question, gold: "7" }));

const solveBy = async (name: string, options: Partial<ReasoningOptions> = {}) => {
  const { solutions } = await runReasoning({
    model: name,
    tasks: [problems],
    strategies: ["cot", "cut:6", "cod", "budget:12", "force:14", "dynasor:crazy"],
    maxTokens: 40,
    answerCue: " So it is",
    out: join(scratch, String(folders++)),
    ...options,
  });
  return solutions.map(({ strategy, id, answer, text, isCut, usage }) => ({
    ...{ strategy, id, answer, text, isCut },
    tokens: usage.completionTokens,
    calls: usage.calls,
  }));
};

const plain = { chat: false };
/** What the model itself writes in plain text. */
const plainly = await solveBy("fixtures/embedded-model", plain);

test("what our server writes is what the model itself does, in chats as in plain text", async () => {
  // The probes are drawn, and with the same seeds alike.
  const server = `openai:${served.baseURL}#embedded-model`;
  expect(await solveBy(server)).toEqual(await solveBy("fixtures/embedded-model"));
  expect(await solveBy(server, plain)).toEqual(plainly);
  const [best] = await solveBy(server, { strategies: ["bon:2"] });
  expect(best!.calls).toBe(2);
});

test("a server of another make that only completes texts, and is short of room at times, gives the same", async () => {
  let refused = 0;
  const shim = await serveShim(async (path, { prompt, max_tokens, stop = [], temperature, seed }) => {
    if (path !== "/v1/completions") return [404, { error: { message: "there is no such path" } }];
    if (refused++ % 3 === 0) return [429, { error: { message: "later" } }];
    const generation = await generator.generate({
      promptIds: model.tokenizer.encode(prompt as string, { addSpecialTokens: true }),
      maxNewTokens: max_tokens as number,
      stop: stop as string[],
      temperature: temperature as number,
      topP: 0.95,
      ...(seed !== undefined && { seed: seed as number }),
    });
    const { text, finishReason, completionTokens } = generation;
    const usage = { prompt_tokens: 20, completion_tokens: completionTokens };
    return [200, { choices: [{ text, finish_reason: finishReason }], usage }];
  });
  expect(await solveBy(`openai:${shim}#any`, plain)).toEqual(plainly);
  await expect(solveBy(`openai:${shim}#any`)).rejects.toThrow(/refuses a request: 404/);
  await expect(solveBy(`openai:${shim}#any`, { ...plain, strategies: ["bon:2"] })).rejects.toThrow(
    /gives no log-probabilities of what it writes; leave out the strategies that need them/,
  );
});

describe("a server that is away, slow, or answers nonsense is told in a sentence", () => {
  const request: TextRequest = { messages: [{ role: "user", content: "2 + 3 =" }], maxTokens: 5, seed: 0 };
  const writerAt = (baseURL: string, timeout = 10, maxRetries = 0) =>
    createRemoteWriter(new OpenAI({ baseURL, apiKey: "none", maxRetries }), { model: "m", timeout });
  const ask = (baseURL: string, signal = new AbortController().signal) =>
    writerAt(baseURL).write(request, signal);

  test("away", async () => {
    await expect(ask("http://127.0.0.1:9/v1")).rejects.toThrow(
      "The server at http://127.0.0.1:9/v1 does not answer; start it, or correct its address.",
    );
  });

  test("slow, with its headers, with its body, and with what is sent again", async () => {
    const silent = await serveShim(() => new Promise(() => {}));
    const stalling = await serveRaw((response) => response.write('{"choices":'));
    const loading = await serveShim(async () => {
      await new Promise((resolve) => setTimeout(resolve, 60));
      return [503, { error: { message: "still loading" } }];
    });
    for (const address of [silent, stalling, loading]) {
      const sentence = `The server at ${address} takes more than 0.1 seconds to answer; see whether it is well, or ask it for less at a time.`;
      await expect(writerAt(address, 0.1, 4).check!([])).rejects.toThrow(sentence);
    }
  });

  test("given up by who asks, it is not the server's fault", async () => {
    const controller = new AbortController();
    const silent = await serveShim(async () => {
      controller.abort(new Error("enough"));
      return new Promise(() => {});
    });
    await expect(ask(silent, controller.signal)).rejects.toThrow("enough");
  });

  test.each([
    ["<html>no</html>", "is not valid JSON"],
    ["", "Unexpected end of JSON input"],
    ['"yes"', '"yes"'],
    ["null", "null"],
    [{ result: "ok" }, '{"result":"ok"}'],
    [{ choices: [] }, '{"choices":[]}'],
    [{ choices: [{ text: "5" }] }, '{"choices":[{"text":"5"}]}'],
  ])("nonsense: %j", async (nonsense, shown) => {
    const address = await serveShim(async () => [200, nonsense]);
    const asked = ask(address);
    await expect(asked).rejects.toThrow(InputError);
    await expect(asked).rejects.toThrow(
      `The server at ${address} answers with something else than OpenAI's does, or says nothing of its tokens (`,
    );
    await expect(asked).rejects.toThrow(`${shown}); correct its address, or ask another one.`);
  });

  test.each([
    [500, { error: { message: "out of\nmemory" } }, "fails at a request (500 out of memory)"],
    [502, "<html>\n<h1>Bad Gateway</h1></html>", "fails at a request (502 "],
    [401, { error: { message: "wrong key" } }, "refuses a request: 401 wrong key"],
  ])("the status %d", async (status, body, sentence) => {
    const address = await serveShim(async () => [status, body]);
    await expect(ask(address)).rejects.toThrow(`The server at ${address} ${sentence}`);
  });

  test("one that breaks off", async () => {
    const address = await serveRaw((response) =>
      response.write('{"choices":', () => response.socket!.destroy()),
    );
    await expect(ask(address)).rejects.toThrow(
      `The server at ${address} breaks off its answer; see whether it is well.`,
    );
  });
});

test("a server that fails in the middle costs nothing that it has written", async () => {
  let well = 3;
  let asked = 0;
  const usage = { prompt_tokens: 9, completion_tokens: 5 };
  const failing = await serveShim(async () => {
    asked++;
    return well-- > 0
      ? [200, { choices: [{ message: { content: "It is 7" }, finish_reason: "stop" }], usage }]
      : [200, "<html>no</html>"];
  });
  const options = { strategies: ["cot"], out: join(scratch, "failing"), batchSize: 1 };
  await expect(solveBy(`openai:${failing}#m`, options)).rejects.toThrow(
    `The strategy cot fails at problem 2 of buns: The server at ${failing} answers with something else`,
  );
  // One to see whether it is there, two of three problems, and the one that failed.
  expect(asked).toBe(4);
  [well, asked] = [2, 0];
  expect(await solveBy(`openai:${failing}#m`, options)).toMatchObject(new Array(3).fill({ answer: "7" }));
  expect(asked).toBe(2);
});

test("thoughts that a server gives apart, and those that it breaks off, are seen", async () => {
  const usage = { prompt_tokens: 9, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 4 } };
  let message: object = {};
  let finish_reason = "length";
  const thinking = await serveShim(async () => [200, { choices: [{ message, finish_reason }], usage }]);
  const writer = createRemoteWriter(await openClient({ baseURL: thinking, model: "m" }), { model: "m" });
  const write = (more: Partial<TextRequest> = {}) =>
    writer.write(
      { messages: [{ role: "user", content: "?" }], maxTokens: 5, seed: 0, ...more },
      new AbortController().signal,
    );
  message = { content: null, reasoning_content: "two and" };
  expect(await write()).toMatchObject({
    ...{ text: "<think>two and", reason: "length", openThoughts: "</think>" },
    ...{ promptTokens: 9, computedPromptTokens: 5, tokens: 5 },
  });
  message = { content: "5", reasoning_content: "two and three" };
  finish_reason = "stop";
  const whole = await write();
  expect(whole).toMatchObject({ text: "<think>two and three</think>5", reason: "stop" });
  expect(whole).not.toHaveProperty("openThoughts");
  message = { content: "<think>two", reasoning_content: null };
  expect((await write({ stopAfterThoughts: true })).reason).toBe("thoughts");
});

test("whether the model has ended a text is known of servers that say which stop string has", async () => {
  const usage = { prompt_tokens: 9, completion_tokens: 5 };
  let choice: object = {};
  const address = await serveShim(async () => [200, { choices: [{ text: "so 5", ...choice }], usage }]);
  const client = await openClient({ baseURL: address, model: "m" });
  const writer = createRemoteWriter(client, { model: "m", chat: false });
  const request = { messages: [{ role: "user", content: "?" }], maxTokens: 5, stop: ["\n"], seed: 0 };
  const isEnded = async (given: object) => {
    choice = given;
    return (await writer.write(request, new AbortController().signal)).isEnded;
  };
  expect(await isEnded({ finish_reason: "stop", stop_reason: "\n" })).toBe(false);
  expect(await isEnded({ finish_reason: "stop", stop_reason: null })).toBe(true);
  expect(await isEnded({ finish_reason: "stop", stop_reason: 2 })).toBe(true);
  expect(await isEnded({ finish_reason: "stop" })).toBeUndefined();
  expect(await isEnded({ finish_reason: "length", stop_reason: null })).toBeUndefined();
});

test("an address is one of a server, or of none", () => {
  expect(parseServerAddress("HuggingFaceTB/SmolLM2-135M")).toBeUndefined();
  expect(parseServerAddress("openai:https://example.org/v1/#org/model:7b")).toEqual({
    baseURL: "https://example.org/v1",
    model: "org/model:7b",
  });
  for (const bad of ["openai:", "openai:http://a", "openai:ftp://a#m", "openai:http://a/v1#"])
    expect(() => parseServerAddress(bad), bad).toThrow("names no server");
});
