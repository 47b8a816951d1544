import { request as httpRequest } from "node:http";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { InputError } from "../core/errors.ts";
import { openFolderTokenizer } from "../core/tokenization/hugging-face.ts";
import { openSourceFolder } from "../node/files/byte-source.ts";
import { ApiError } from "./api-error.ts";
import { type AppOptions, createApp } from "./app.ts";
import { createFakeGenerator, type FakeGenerator } from "./fake-generator.fixture.ts";
import { type HttpServer, listen } from "./http-server.ts";
import { prepareRequest } from "./prepare-request.ts";
import { EngineLostError } from "./remote-generator.ts";
import { createRunningRequests, type RunningRequests } from "./running-requests.ts";
import { createServedModel } from "./served-model.ts";

const tokenizer = await openFolderTokenizer(openSourceFolder("fixtures/embedded-model"));
const names = { id: "small", adapters: ["math"] };
const text = "the quick fox adds 12 and 30";

let generator: FakeGenerator;
let prepare: AppOptions["prepare"];
let running: RunningRequests;
let http: HttpServer;
let client: OpenAI;

async function start(options: Partial<AppOptions> = {}, limit = 1000): Promise<void> {
  generator = createFakeGenerator(tokenizer);
  running = createRunningRequests(limit);
  const served = createServedModel({ ...names, tokenizer, contextLength: 512, maxTexts: limit });
  prepare = async (endpoint, body) => prepareRequest(served, endpoint, body);
  const app = createApp({ names, prepare, generator, running, loopback: true, ...options });
  http = await listen(app, "127.0.0.1", 0);
  client = new OpenAI({ baseURL: `${http.url}/v1`, apiKey: "none", maxRetries: 0 });
}

const stop = () => http.close(running.drain(1000));

beforeEach(() => start());
afterEach(stop);

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${http.url}${path}`, {
    method: "POST",
    headers,
    body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
  });

const complete = (prompt: string, options: Partial<OpenAI.CompletionCreateParamsNonStreaming> = {}) =>
  client.completions.create({ model: "small", prompt, max_tokens: 500, ...options });

interface Answered {
  readonly choices: readonly [{ readonly finish_reason: string | null; readonly stop_reason: string | null }];
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** What the fake model answers to a chat: its words. */
const spoken = (messages: readonly { role: string; content: string }[]) =>
  `${messages.map(({ role, content }) => `${role}\n${content}\n`).join("")}assistant\n`;

describe("with OpenAI's client", () => {
  test("models are listed, the adapters among them", async () => {
    const models = await client.models.list();
    expect(models.data.map(({ id }) => id)).toEqual(["small", "math"]);
    expect((await client.models.retrieve("math")).id).toBe("math");
    await expect(client.models.retrieve("large")).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test("an adapter with a chat template of its own is asked in it", async () => {
    await stop();
    const templates = { math: "Sum: {{ messages[0].content }}" };
    const served = createServedModel({ ...names, tokenizer, contextLength: 512, maxTexts: 9, templates });
    await start({ prepare: async (endpoint, body) => prepareRequest(served, endpoint, body) });
    const messages = [{ role: "user" as const, content: text }];
    const { choices } = await client.chat.completions.create({ model: "math", messages });
    expect(choices[0]!.message.content).toContain(`Sum: ${text}`);
    const plain = await client.chat.completions.create({ model: "small", messages });
    expect(plain.choices[0]!.message.content).not.toContain("Sum");
  });

  test("a chat is answered through the model's template", async () => {
    const messages = [
      { role: "developer" as const, content: "be brief" },
      {
        role: "user" as const,
        content: [
          { type: "text" as const, text: "add" },
          { type: "text" as const, text: text },
        ],
      },
    ];
    const { object, choices, usage } = await client.chat.completions.create({ model: "small", messages });
    expect(object).toBe("chat.completion");
    const expected = spoken([
      { role: "system", content: "be brief" },
      { role: "user", content: `add\n${text}` },
    ]);
    expect(choices[0]).toMatchObject({
      index: 0,
      message: { role: "assistant", content: expected },
      finish_reason: "stop",
      logprobs: null,
    });
    expect(usage!.total_tokens).toBe(usage!.prompt_tokens + usage!.completion_tokens);
  });

  test("a streamed chat has the same text, and its usage at the end", async () => {
    const messages = [{ role: "user" as const, content: text }];
    const whole = await client.chat.completions.create({ model: "math", messages });
    const stream = await client.chat.completions.create({
      model: "math",
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await collect(stream);
    const deltas = chunks.flatMap(({ choices }) => choices);
    expect(deltas[0]!.delta).toEqual({ role: "assistant", content: "" });
    expect(deltas.map(({ delta }) => delta.content ?? "").join("")).toBe(whole.choices[0]!.message.content);
    expect(deltas.at(-1)!.finish_reason).toBe("stop");
    expect(chunks.at(-1)!.usage).toEqual(whole.usage);
    expect(chunks[0]!.usage).toBeNull();
  });

  test("several prompts and choices, in order, with echo", async () => {
    const prompts = [text, "one more"];
    const { choices, usage } = await client.completions.create({
      model: "small",
      prompt: prompts,
      n: 2,
      echo: true,
      max_tokens: 500,
    });
    expect(choices.map((choice) => choice.text)).toEqual(
      prompts.flatMap((prompt) => [prompt + prompt, prompt + prompt]),
    );
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    const ids = prompts.flatMap((prompt) => tokenizer.encode(prompt));
    const begins = tokenizer.addsBosToken ? prompts.length : 0;
    expect(usage!.prompt_tokens).toBe(ids.length + begins);
  });

  test("a prompt of token ids, of which 16 are answered by default", async () => {
    const ids = Array.from({ length: 20 }, (_, i) => 100 + i);
    const { choices } = await client.completions.create({ model: "small", prompt: ids });
    expect(choices[0]).toMatchObject({ text: tokenizer.decode(ids.slice(0, 16)), finish_reason: "length" });
  });

  test("a streamed completion has the same text", async () => {
    const stream = await client.completions.create({
      model: "small",
      prompt: text,
      max_tokens: 500,
      echo: true,
      stream: true,
    });
    const chunks = await collect(stream);
    expect(chunks.map(({ choices }) => choices[0]!.text).join("")).toBe(text + text);
    expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe("stop");
  });

  test.each(["chat/completions", "completions"])(
    "%s says which stop string has ended a text",
    async (path) => {
      const asked = { model: "small", max_tokens: 500, prompt: text };
      const { prompt, ...chat } = { ...asked, messages: [{ role: "user", content: text }] };
      const body = path === "completions" ? asked : chat;
      const third = tokenizer.decode(tokenizer.encode(text).slice(3, 4));
      const reasons = async (options: object) => {
        const whole = (await (await post(`/v1/${path}`, { ...body, ...options })).json()) as Answered;
        const stream = await (await post(`/v1/${path}`, { ...body, ...options, stream: true })).text();
        const events = stream
          .split("\n\n")
          .filter((event) => event.startsWith("data: {"))
          .map((event) => JSON.parse(event.slice("data: ".length)) as Answered);
        for (const { choices } of events.slice(0, -1))
          expect(choices[0]).toMatchObject({ finish_reason: null, stop_reason: null });
        return [whole, events.at(-1)!].map(({ choices: [choice] }) => [
          choice.finish_reason,
          choice.stop_reason,
        ]);
      };
      expect(await reasons({ stop: ["none", third] })).toEqual(Array(2).fill(["stop", third]));
      expect(await reasons({ stop: "none" })).toEqual(Array(2).fill(["stop", null]));
      expect(await reasons({ stop: third, max_tokens: 2 })).toEqual(Array(2).fill(["length", null]));
    },
  );

  test("log-probabilities of a chat", async () => {
    const { choices } = await client.chat.completions.create({
      model: "small",
      messages: [{ role: "user", content: text }],
      logprobs: true,
      top_logprobs: 1,
    });
    const { content } = choices[0]!.logprobs!;
    expect(content!.map(({ token }) => token).join("")).toBe(choices[0]!.message.content);
    expect(content![0]).toMatchObject({
      logprob: Math.log(0.5),
      top_logprobs: [{ logprob: Math.log(0.25) }],
    });
    expect(Buffer.from(content![0]!.bytes!).toString()).toBe(content![0]!.token);
  });

  test("log-probabilities of a completion, whole and streamed", async () => {
    const whole = (await complete(text, { logprobs: 1 })).choices[0]!.logprobs!;
    expect(whole.tokens!.join("")).toBe(text);
    expect(
      whole.tokens!.map((token, i) => text.slice(whole.text_offset![i]).startsWith(token)),
    ).not.toContain(false);
    expect(Object.values(whole.top_logprobs![0]!)).toEqual([Math.log(0.25), Math.log(0.5)]);

    const stream = await client.completions.create({
      model: "small",
      prompt: text,
      max_tokens: 500,
      logprobs: 1,
      stream: true,
    });
    const parts = (await collect(stream)).flatMap(({ choices }) => choices[0]!.logprobs ?? []);
    for (const field of ["tokens", "token_logprobs", "top_logprobs", "text_offset"] as const) {
      expect(parts.flatMap((part) => part[field] as unknown[])).toEqual(whole[field]);
    }
  });

  test("an answer goes on from what the assistant has begun", async () => {
    const generate = vi.spyOn(generator, "generate");
    const messages = [
      { role: "user", content: "add" },
      { role: "assistant", content: "the quick" },
    ];
    const fields = { model: "small", messages, continue_final_message: true, add_generation_prompt: false };
    expect((await post("/v1/chat/completions", fields)).status).toBe(200);
    const { promptIds } = generate.mock.calls[0]![0];
    expect(tokenizer.decode([...promptIds])).toMatch(/assistant\nthe quick$/);
  });

  test("thoughts are limited where the model has tokens for them", async () => {
    const fields = { model: "small", prompt: text, max_tokens: 9, thinking_budget_tokens: 5 };
    expect((await post("/v1/completions", fields)).status).toBe(400);
    await stop();
    const thinking = {
      ...tokenizer,
      idOf: (token: string) => ({ "<think>": 7, "</think>": 8 })[token],
      encode: (text: string) => ({ "<think>": [7], "</think>": [8] })[text] ?? tokenizer.encode(text),
    };
    const served = createServedModel({ ...names, tokenizer: thinking, contextLength: 512, maxTexts: 9 });
    await start({ prepare: async (endpoint, body) => prepareRequest(served, endpoint, body) });
    const generate = vi.spyOn(generator, "generate");
    expect((await post("/v1/completions", fields)).status).toBe(200);
    expect(generate.mock.calls[0]![0].thinking).toEqual({ start: 7, end: 8, tokens: 5 });
  });

  test("sampling options reach the generator, and no seed means another one each time", async () => {
    const generate = vi.spyOn(generator, "generate");
    const extensions = { top_k: 7, min_p: 0.1, repetition_penalty: 1.2 };
    await complete(text, {
      model: "math",
      temperature: 0.5,
      top_p: 0.9,
      seed: 3,
      stop: "x",
      ...extensions,
      n: 2,
    });
    await complete(text);
    await complete(text);
    const requests = generate.mock.calls.map(([request]) => request);
    expect(requests[0]).toEqual({
      adapter: "math",
      promptIds: requests[0]!.promptIds,
      maxNewTokens: 500,
      temperature: 0.5,
      topP: 0.9,
      topK: 7,
      minP: 0.1,
      repetitionPenalty: 1.2,
      stop: ["x"],
      seed: 3,
    });
    expect(requests[1]!.seed).toBe(4);
    expect(requests[2]).toMatchObject({ temperature: 1, topP: 1, stop: [] });
    expect(requests[2]).not.toHaveProperty("adapter");
    expect(requests[2]!.seed).not.toBe(requests[3]!.seed);
  });
});

describe("errors", () => {
  const chat = (fields: object) => ({
    model: "small",
    messages: [{ role: "user", content: "a" }],
    ...fields,
  });
  const cases: [name: string, path: string, body: unknown, status: number, error: object][] = [
    ["malformed JSON", "completions", '{"model":', 400, { message: expect.stringMatching(/not valid JSON/) }],
    ["no object", "completions", "[]", 400, { param: null }],
    ["a missing field", "completions", { model: "small" }, 400, { param: "prompt" }],
    [
      "a field of another type",
      "chat/completions",
      chat({ messages: [{ role: 1 }] }),
      400,
      { param: "messages[0].role" },
    ],
    [
      "nothing to go on from",
      "chat/completions",
      chat({ continue_final_message: true }),
      400,
      { param: "continue_final_message" },
    ],
    [
      "a turn that is both begun and to begin",
      "chat/completions",
      chat({
        messages: [{ role: "assistant", content: "a" }],
        continue_final_message: true,
        add_generation_prompt: true,
      }),
      400,
      { param: "add_generation_prompt" },
    ],
    ["an unknown field", "completions", { model: "small", prompt: "a", best: 1 }, 400, { param: "best" }],
    [
      "an unknown model",
      "completions",
      { model: "large", prompt: "a" },
      404,
      { param: "model", code: "model_not_found" },
    ],
    [
      "a long prompt",
      "completions",
      { model: "small", prompt: "word ".repeat(600) },
      400,
      { code: "context_length_exceeded", param: "prompt" },
    ],
    [
      "a long chat",
      "chat/completions",
      chat({ messages: [{ role: "user", content: "word ".repeat(600) }] }),
      400,
      { code: "context_length_exceeded", param: "messages" },
    ],
    ["an unknown token", "completions", { model: "small", prompt: [1024] }, 400, { param: "prompt" }],
    [
      "a temperature below 0",
      "completions",
      { model: "small", prompt: "a", temperature: -1 },
      400,
      { param: "temperature" },
    ],
    [
      "an empty stop string",
      "completions",
      { model: "small", prompt: "a", stop: "" },
      400,
      { param: "stop" },
    ],
    [
      "a JSON format",
      "chat/completions",
      chat({ response_format: { type: "json_object" } }),
      400,
      { param: "response_format" },
    ],
    ["tools", "chat/completions", chat({ tools: [{ type: "function" }] }), 400, { param: "tools" }],
    [
      "pictures",
      "chat/completions",
      chat({ messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] }),
      400,
      { param: "messages[0].content" },
    ],
    ["a penalty", "chat/completions", chat({ presence_penalty: 1 }), 400, { param: "presence_penalty" }],
    [
      "log-probabilities of an echo",
      "completions",
      { model: "small", prompt: "a", echo: true, logprobs: 1 },
      400,
      { param: "logprobs" },
    ],
    [
      "options of a stream without one",
      "completions",
      { model: "small", prompt: "a", stream_options: {} },
      400,
      { param: "stream_options" },
    ],
    [
      "texts beyond what is ever written",
      "completions",
      { model: "small", prompt: Array(20).fill("a"), n: 128 },
      400,
      {},
    ],
    [
      "many stop strings",
      "completions",
      { model: "small", prompt: "a", stop: Array(17).fill("a") },
      400,
      { param: "stop" },
    ],
    [
      "a long stop string",
      "completions",
      { model: "small", prompt: "a", stop: "a".repeat(5000) },
      400,
      { param: "stop" },
    ],
    [
      "many messages",
      "chat/completions",
      chat({ messages: Array(10_001).fill({ role: "user" }) }),
      400,
      { param: "messages" },
    ],
    [
      "a question without content",
      "chat/completions",
      chat({ messages: [{ role: "user", content: null }] }),
      400,
      { param: "messages[0].content" },
    ],
    ["prompts of two forms", "completions", { model: "small", prompt: ["a", 1] }, 400, { param: "prompt" }],
    [
      "half of a surrogate pair in a prompt",
      "completions",
      '{"model": "small", "prompt": ["a", "\\ud83d"]}',
      400,
      { param: "prompt[1]" },
    ],
    [
      "half of a surrogate pair in a message",
      "chat/completions",
      '{"model": "small", "messages": [{"role": "user", "content": "\\ude00"}]}',
      400,
      { param: "messages[0].content" },
    ],
    [
      "bytes that are no text",
      "completions",
      Buffer.from([0x22, 0xff, 0x22]),
      400,
      { message: expect.stringMatching(/UTF-8/) },
    ],
    [
      "endless nesting",
      "chat/completions",
      `{"model": "small", "messages": ${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
      400,
      { param: "messages" },
    ],
    [
      "a best of several",
      "completions",
      { model: "small", prompt: "a", n: 2, best_of: 3 },
      400,
      { param: "best_of" },
    ],
    ["an unknown route", "embeddings", {}, 404, { code: "unknown_url" }],
    ["another method", "models", {}, 405, {}],
  ];
  test.each(cases)("%s", async (_name, path, body, status, error) => {
    const response = await post(`/v1/${path}`, body);
    expect(response.status).toBe(status);
    const answered = (await response.json()) as { error: object };
    expect(answered).toEqual({
      error: {
        message: expect.any(String),
        type: "invalid_request_error",
        param: null,
        code: null,
        ...answered.error,
        ...error,
      },
    });
  });

  const neutral: [name: string, path: string, body: object][] = [
    [
      "neutral values",
      "chat/completions",
      chat({ tools: [], logit_bias: {}, presence_penalty: 0, response_format: { type: "text" }, user: "me" }),
    ],
    [
      "nulls",
      "chat/completions",
      chat({
        ...Object.fromEntries(
          [
            "stop",
            "seed",
            "n",
            "stream",
            "stream_options",
            "logprobs",
            "top_logprobs",
            "logit_bias",
            "tools",
          ].map((field) => [field, null]),
        ),
        tool_choice: null,
        response_format: null,
        reasoning_effort: null,
        chat_template_kwargs: { enable_thinking: null },
        messages: [
          { role: "system", content: "be brief", name: null },
          { role: "user", content: [{ type: "text", text: "a", cache_control: null }] },
          {
            role: "assistant",
            content: null,
            refusal: null,
            tool_calls: null,
            function_call: null,
            audio: null,
          },
          { role: "assistant" },
          { role: "user", content: "b" },
        ],
      }),
    ],
    [
      "nulls in options of a stream",
      "chat/completions",
      chat({ stream: true, stream_options: { include_usage: null } }),
    ],
    [
      "nulls of a completion",
      "completions",
      {
        model: "small",
        prompt: "a",
        suffix: null,
        best_of: null,
        logprobs: null,
        echo: null,
        max_tokens: null,
      },
    ],
    ["a best of as many as are asked for", "completions", { model: "small", prompt: "a", n: 2, best_of: 2 }],
    ["an empty list of stop strings", "completions", { model: "small", prompt: "a", stop: [] }],
  ];
  test.each(neutral)("none for what asks for nothing special: %s", async (_name, path, body) => {
    expect((await post(`/v1/${path}`, body)).status).toBe(200);
  });

  test("are those of the client's classes", async () => {
    await expect(complete("a", { model: "large" })).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(complete("a", { top_p: 2 })).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(complete("word ".repeat(600))).rejects.toMatchObject({
      code: "context_length_exceeded",
      param: "prompt",
    });
  });

  test("a body that is too large", async () => {
    const large = { model: "small", prompt: "x".repeat(3 * 2 ** 20) };
    for (let i = 0; i < 3; i++) expect((await post("/v1/completions", large)).status).toBe(413);
    await expect(complete(large.prompt)).rejects.toMatchObject({ status: 413 });
    // A body that does not say how long it is.
    const body = new Blob([JSON.stringify(large)]).stream();
    const init = { method: "POST", body, duplex: "half" } as RequestInit;
    expect((await fetch(`${http.url}/v1/completions`, init)).status).toBe(413);
  });

  test("a full queue is told before a body is read, and texts are counted before any is encoded", async () => {
    await stop();
    await start({}, 2);
    const encode = vi.spyOn(tokenizer, "encode");
    const prompts = { model: "small", prompt: ["a", "b"], n: 2 };
    expect((await post("/v1/completions", prompts)).status).toBe(400);
    expect(encode).not.toHaveBeenCalled();
    generator.pause = 10;
    const one = complete(text, { n: 2 });
    await vi.waitFor(() => expect(generator.running).toBe(2));
    expect((await post("/v1/completions", "no JSON")).status).toBe(429);
    await one;
  });

  test("long bodies of many clients at once are refused before they take all memory", async () => {
    await stop();
    let release = () => {};
    const wait = new Promise<never>((_, reject) => {
      release = () => reject(new ApiError(400, "Released."));
    });
    wait.catch(() => {});
    await start({ prepare: () => wait });
    const body = Buffer.alloc(2 * 2 ** 20);
    const statuses: number[] = [];
    const all = Array.from({ length: 70 }, async () => {
      statuses.push((await post("/v1/completions", body)).status);
    });
    await vi.waitFor(() => expect(statuses.length).toBeGreaterThanOrEqual(6), { timeout: 20_000 });
    expect(new Set(statuses)).toEqual(new Set([429]));
    release();
    await Promise.all(all);
    expect(statuses.filter((status) => status === 400).length).toBeGreaterThan(32);
    expect((await post("/v1/completions", body)).status).toBe(400);
  });

  test("a full queue", async () => {
    await stop();
    await start({}, 2);
    generator.pause = 10;
    const one = complete(text, { n: 2 });
    await vi.waitFor(() => expect(generator.running).toBe(2));
    const other = await post("/v1/completions", { model: "small", prompt: "a" });
    expect(other.status).toBe(429);
    expect(other.headers.get("retry-after")).toBe("1");
    expect((await one).choices).toHaveLength(2);
    expect((await complete(text)).choices).toHaveLength(1);
    await expect(complete(text, { n: 3 })).rejects.toBeInstanceOf(OpenAI.BadRequestError);
  });

  test("a lost engine, before an answer and within one", async () => {
    vi.spyOn(generator, "generate").mockImplementation(async (_request, events) => {
      events?.onPiece?.({ text: "first", tokens: [] });
      throw new EngineLostError("The engine's process was ended by SIGKILL.");
    });
    await expect(complete(text)).rejects.toMatchObject({ status: 503, code: "engine_lost" });
    const stream = await client.completions.create({ model: "small", prompt: text, stream: true });
    const texts: string[] = [];
    const read = async () => {
      for await (const chunk of stream) texts.push(chunk.choices[0]!.text);
    };
    await expect(read()).rejects.toBeInstanceOf(OpenAI.APIError);
    expect(texts).toEqual(["first"]);
  });

  test("a text whose model fails ends alone, with what is wrong", async () => {
    const onUnexpectedError = vi.fn();
    await stop();
    await start({ onUnexpectedError });
    const fault = "The model's logits are not numbers; its weights are damaged.";
    const generate = generator.generate;
    vi.spyOn(generator, "generate").mockImplementation(async (request, events) => {
      if (request.adapter === "math") throw new InputError(fault);
      return generate(request, events);
    });
    generator.pause = 5;
    const other = complete(text);
    await expect(complete(text, { model: "math" })).rejects.toMatchObject({
      status: 500,
      code: "engine_failed",
      error: { message: fault },
    });
    expect((await other).choices[0]!.text).toBe(text);
    expect(onUnexpectedError).not.toHaveBeenCalled();
  });

  test("a fault of the server's own is logged, not told", async () => {
    const errors: unknown[] = [];
    await stop();
    await start({ onUnexpectedError: (error) => errors.push(error) });
    const fault = new Error("at /home/me/secret");
    vi.spyOn(generator, "generate").mockRejectedValue(fault);
    const response = await post("/v1/completions", { model: "small", prompt: "a" });
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("secret");
    expect(errors).toEqual([fault]);
  });
});

describe("access", () => {
  /** fetch does not let one choose these headers. */
  const get = (path: string, headers: Record<string, string>, method = "GET") =>
    new Promise<{ status: number; headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
      httpRequest(`${http.url}${path}`, { headers, method }, (response) => {
        response.resume();
        resolve({ status: response.statusCode!, headers: response.headers });
      })
        .on("error", reject)
        .end();
    });

  test("another host's name is refused on a loopback address", async () => {
    expect((await get("/v1/models", { host: "evil.example" })).status).toBe(403);
    expect((await get("/v1/models", { host: "localhost:8000" })).status).toBe(200);
    expect((await get("/v1/models", { host: "[::1]:8000" })).status).toBe(200);
  });

  test("web pages are refused, save those that are allowed", async () => {
    expect((await get("/v1/models", { origin: "https://evil.example" })).status).toBe(403);
    expect((await get("/v1/models", { origin: "null" })).status).toBe(403);
    await stop();
    await start({ allowedOrigins: ["https://good.example"], apiKey: "secret" });
    expect((await get("/v1/models", { origin: "https://evil.example" })).status).toBe(403);
    const preflight = {
      origin: "https://good.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type",
    };
    const { status, headers } = await get("/v1/chat/completions", preflight, "OPTIONS");
    expect(status).toBe(204);
    expect(headers["access-control-allow-origin"]).toBe("https://good.example");
    expect(headers["access-control-allow-headers"]).toBe("authorization,content-type");

    // Pages can read answers, streams and errors.
    const page = { origin: "https://good.example", authorization: "Bearer secret" };
    const prompt = { model: "small", prompt: "a" };
    for (const body of [prompt, { ...prompt, stream: true }, { ...prompt, n: 0 }]) {
      const answered = await post("/v1/completions", body, page);
      expect(answered.headers.get("access-control-allow-origin")).toBe("https://good.example");
      await answered.text();
    }
  });

  test("a key is asked for, except for the server's health", async () => {
    await stop();
    await start({ apiKey: "secret" });
    expect((await get("/health", {})).status).toBe(200);
    expect((await get("/v1/models", {})).status).toBe(401);
    await expect(client.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    expect((await client.withOptions({ apiKey: "secret" }).models.list()).data).toHaveLength(2);
  });

  test("health says whether the model is loaded", async () => {
    await stop();
    await start({ isReady: () => false });
    expect((await get("/health", {})).status).toBe(503);
  });
});

describe("many and broken-off requests", () => {
  test("200 at the same time are each answered with their own text", async () => {
    const prompts = Array.from({ length: 200 }, (_, i) => `count ${i} and ${i * 7}`);
    const answers = await Promise.all(
      prompts.map(async (prompt, i) => {
        if (i % 2 === 0) return (await complete(prompt)).choices[0]!.text;
        const stream = await client.completions.create({
          model: "small",
          prompt,
          max_tokens: 500,
          stream: true,
        });
        const chunks = await collect(stream);
        return chunks.map(({ choices }) => choices[0]!.text).join("");
      }),
    );
    expect(answers).toEqual(prompts);
    expect(generator.running).toBe(0);
  });

  test("a client that goes away ends its request, streamed or not", async () => {
    generator.pause = 5;
    const long = "word ".repeat(100);
    const stream = await client.completions.create({
      model: "small",
      prompt: long,
      max_tokens: 500,
      stream: true,
    });
    for await (const _ of stream) break;
    await vi.waitFor(() => expect(generator).toMatchObject({ running: 0, aborted: 1 }));

    const controller = new AbortController();
    const broken = client.completions.create(
      { model: "small", prompt: long, n: 8 },
      { signal: controller.signal },
    );
    await vi.waitFor(() => expect(generator.running).toBe(8));
    controller.abort();
    await expect(broken).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    await vi.waitFor(() => expect(generator).toMatchObject({ running: 0, aborted: 9 }));
  });

  test("stopping finishes what is under way, refuses what comes later, and frees the port", async () => {
    generator.pause = 10;
    const answer = complete(text);
    await vi.waitFor(() => expect(generator.running).toBe(1), { interval: 5 });
    const stopped = stop();
    expect((await answer).choices[0]!.text).toBe(text);
    await stopped;
    await expect(fetch(`${http.url}/health`)).rejects.toThrow();
    const again = await listen(
      createApp({ names, prepare, generator, running, loopback: true }),
      "127.0.0.1",
      Number(new URL(http.url).port),
    );
    await again.close(Promise.resolve());
    await start();
  });

  test("what does not finish in time is broken off with 503", async () => {
    const endless = (signal: AbortSignal) =>
      new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    vi.spyOn(generator, "generate").mockImplementation((_request, events) => endless(events!.signal!));
    const answer = complete(text);
    const stream = await client.completions.create({ model: "small", prompt: text, stream: true });
    const closed = http.close(running.drain(50));
    await expect(answer).rejects.toMatchObject({ status: 503, code: "shutting_down" });
    await expect(collect(stream)).rejects.toMatchObject({ code: "shutting_down" });
    await closed;
    await start();
  });

  test("memory does not grow with requests", async () => {
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    const round = async () => {
      await Promise.all(
        Array.from({ length: 40 }, async (_, i) => {
          await complete(text, { n: 2 });
          await collect(
            await client.completions.create({ model: "small", prompt: text, stream: true, seed: i }),
          );
        }),
      );
    };
    const heap = async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    await round();
    await round();
    const before = await heap();
    for (let i = 0; i < 4; i++) await round();
    expect(await heap()).toBeLessThan(before * 1.05);
  });
});
