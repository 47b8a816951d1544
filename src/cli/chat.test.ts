import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, expect, test, vi } from "vitest";
import { type ConversationOptions, createConversation } from "../core/decoding/conversation.ts";
import { DamagedModelError } from "../core/errors.ts";
import { writeFirstExamples } from "../node/data/first-examples.fixture.ts";
import { openCheckpoint } from "../node/models/checkpoint.ts";
import { fineTune } from "../node/training/fine-tune.ts";
import { createFakeGenerator } from "../server/fake-generator.fixture.ts";
import { chat } from "./chat.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-chat-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const checkpoint = await openCheckpoint("fixtures/embedded-model");
const { config } = checkpoint;
const tokenizer = await checkpoint.tokenizer();
checkpoint.close();

/** A conversation with the fake model, which repeats all that it was told. */
function converse(
  { stats = false, ...options }: Partial<ConversationOptions> & { stats?: boolean } = {},
  terminal = false,
  contextLength = 512,
) {
  const generator = createFakeGenerator(tokenizer);
  const [input, output, notices] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const said = { output: "", notices: "" };
  output.on("data", (chunk) => {
    said.output += chunk;
  });
  notices.on("data", (chunk) => {
    said.notices += chunk;
  });
  const conversation = createConversation(
    generator,
    { tokenizer, config: { ...config, maxPositionEmbeddings: contextLength } },
    { maxNewTokens: 500, ...options },
  );
  const ended = chat(conversation, { input, output, notices, terminal, stats });
  return { generator, input, said, ended };
}

const spoken = (...turns: [role: string, content: string][]) =>
  `${turns.map(([role, content]) => `${role}\n${content}\n`).join("")}assistant\n`;

test("piped lines are answered one by one, with the conversation before them", async () => {
  const { input, said, ended } = converse({ system: "be brief" });
  input.end("one\n\ntwo\n/reset\nthree");
  await ended;
  const first = spoken(["system", "be brief"], ["user", "one"]);
  const second = spoken(["system", "be brief"], ["user", "one"], ["assistant", first], ["user", "two"]);
  const third = spoken(["system", "be brief"], ["user", "three"]);
  expect(said.output).toBe(`${first}\n${second}\n${third}\n`);
  expect(said.notices).toBe("");
});

test("the oldest turns are dropped when the context is full; a question that fills it alone is refused", async () => {
  const { generator, input, said, ended } = converse({ maxNewTokens: 3 }, false, 80);
  const generate = vi.spyOn(generator, "generate");
  const names = ["a", "b", "c", "d"];
  const questions = names.map((name) => `${name} has 1 2 3 4 5 6 7 8 9`);
  questions.splice(3, 0, "word ".repeat(100));
  input.end(questions.join("\n"));
  await ended;
  expect(said.notices).toContain("(The context is full: the model no longer sees the oldest turn.)");
  expect(said.notices).toMatch(/The question has \d+ tokens, but the model's context is 80; shorten it\./);
  const prompts = generate.mock.calls.map(([{ promptIds }]) => tokenizer.decode(promptIds));
  expect(prompts.map((prompt) => names.filter((name) => prompt.includes(`${name} has`)).join(""))).toEqual([
    "a",
    "ab",
    "bc",
    "cd",
  ]);
  for (const [{ promptIds }] of generate.mock.calls) expect(promptIds.length).toBeLessThanOrEqual(77);
});

test("commands, and the speed", async () => {
  const { input, said, ended } = converse({ stats: true, maxNewTokens: 2 });
  input.end("/help\n/what\none\n/exit\nnever answered");
  await ended;
  expect(said.notices).toContain("/reset begins anew");
  expect(said.notices).toContain("There is no command /what");
  expect(said.notices).toContain("(The answer is cut off: it reached its longest.)");
  expect(said.notices).toMatch(/\(2 tokens in [\d.]+ s: [\d.]+ tokens\/s\)/);
  expect(said.output).not.toContain("never");
});

test("Ctrl-C stops the answer, and leaves where none is being written", async () => {
  const { generator, input, said, ended } = converse({}, true);
  generator.pause = 20;
  input.write("one two three four five six seven eight nine ten\r");
  await vi.waitFor(() => expect(said.output).toContain("user"));
  input.write("\x03");
  await vi.waitFor(() => expect(generator).toMatchObject({ running: 0, aborted: 1 }));
  expect(said.output).not.toContain("assistant");
  input.write("\x03");
  await ended;
});

test("the end of the input leaves", async () => {
  const { input, ended } = converse({}, true);
  input.write("\x04");
  await ended;
});

test("an option out of its range is said before anything is asked", () => {
  expect(() => converse({ temperature: -1 })).toThrow("The temperature is -1, but must be 0 or more.");
});

test("a damaged model ends the conversation with a sentence", async () => {
  const { generator, input, ended } = converse();
  vi.spyOn(generator, "generate").mockRejectedValue(new DamagedModelError("the weights are damaged"));
  input.write("one\n");
  await expect(ended).rejects.toThrow("the weights are damaged");
});

test("a model without a chat template is told in a sentence", () => {
  const model = {
    tokenizer: { ...tokenizer, chatTemplate: undefined },
    config,
  };
  expect(() => createConversation(createFakeGenerator(tokenizer), model, { maxNewTokens: 5 })).toThrow(
    "The model has no chat template, so it cannot hold a conversation.",
  );
});

test("the command talks to a real model", async () => {
  const input = new PassThrough();
  vi.spyOn(process, "stdin", "get").mockReturnValue(input as unknown as typeof process.stdin);
  let out = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  input.end("Tom has 3 pens.\n");
  const words = [
    "chat",
    "--model",
    "fixtures/embedded-model",
    "--temperature",
    "0",
    "--max-new-tokens",
    "20",
  ];
  expect(await main(["node", "slimtune", ...words])).toBe(0);
  expect(out).toMatch(/^.+\n$/);
});

test.each(["lora", "adaption-prompt"] as const)(
  "the command answers with an adapter of %s",
  async (method) => {
    const model = "fixtures/embedded-model";
    const out = join(scratch, method);
    const data = writeFirstExamples(scratch, "math");
    await fineTune({ model, data, method, max_steps: 1, validation: 0, out });
    const words = ["bin/slimtune.js", "chat", "--model", model, "--adapter", join(out, "adapter")];
    const { status, stdout } = spawnSync(process.execPath, [...words, "--max-new-tokens", "4"], {
      input: "Who has a dog?\n",
      encoding: "utf8",
    });
    expect(stdout.trim()).not.toBe("");
    expect(status).toBe(0);
  },
);
