import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { afterAll, describe, expect, test } from "vitest";
import { encodeText, renderChat } from "../core/decoding/prompt.ts";
import { createGenerator } from "../node/decoding/generate.ts";
import { exportGguf } from "../node/export/gguf.ts";
import { hasLlamaCpp, nearTie, openLlamaCpp } from "../node/export/llama-cpp.fixture.ts";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { serveModel } from "../server/serve-command.fixture.ts";
import { serveByLlamaCpp } from "./llama-cpp-server.fixture.ts";
import { openWriter } from "./open-writer.ts";
import { plainPrompt, plainStops } from "./prompts.ts";
import { runReasoning } from "./run-reasoning.ts";
import { begunText, type TextRequest, type Writer } from "./writer.ts";

const { SLIMTUNE_SMOLLM2_GGUF: file } = process.env;
if (!file || !hasLlamaCpp) {
  console.warn(
    "Servers of another make are not tested: see CONTRIBUTING.md for SLIMTUNE_SMOLLM2_GGUF and SLIMTUNE_NODE_LLAMA_CPP.",
  );
}

const scratch = mkdtempSync(join(tmpdir(), "slimtune-other-server-"));
afterAll(() => rmSync(scratch, { recursive: true }));
let folders = 0;

const problems = readFileSync("fixtures/miniature/math-held-out.jsonl", "utf8")
  .split("\n")
  .slice(0, 8)
  .map((line, id) => {
    const { question, answer } = JSON.parse(line) as { question: string; answer: string };
    return { task: "word problems", id: String(id), question, gold: answer.split("#### ")[1]! };
  });

/** Those of plain text go on with what has begun, which not every server's chats do. */
const strategies = {
  chat: ["cot", "cut:24", "cod", "ccot", "tale"],
  plain: ["cot", "cut:24", "cod", "ccot", "tale", "budget:32", "dynasor:crazy"],
} as const;
type Way = keyof typeof strategies;

/** Draws of a strategy become the likeliest text, which alone can be compared. */
function greedily(writer: Writer): Writer {
  return { ...writer, write: (request, signal) => writer.write({ ...request, temperature: 0 }, signal) };
}

async function solveBy(writer: Writer, way: Way) {
  const { solutions } = await runReasoning({
    model: greedily(writer),
    tasks: [problems],
    strategies: strategies[way],
    examples: 2,
    maxTokens: 64,
    out: join(scratch, String(folders++)),
  });
  return solutions.map(({ strategy, id, answer, text, isCut, usage }) => ({
    ...{ strategy, id, answer, text, isCut, tokens: usage.completionTokens, calls: usage.calls },
  }));
}

const openLocal = (path: string, way: Way) =>
  openWriter(path, undefined, { bits: "exact", chat: way === "chat" });
const openRemote = ({ baseURL }: { readonly baseURL: string }, way: Way, batchSize: number) =>
  openWriter(`openai:${baseURL}#${basename(file!, ".gguf")}`, undefined, { batchSize, chat: way === "chat" });

/** A writer of which is kept what it was asked, and what it wrote. */
function watch(writer: Writer) {
  const texts: { readonly request: TextRequest; readonly text: string }[] = [];
  const watched: Writer = {
    ...writer,
    async write(request, signal) {
      // A strategy may go on with the same list.
      const asked = { ...request, begun: [...(request.begun ?? [])] };
      const written = await writer.write(request, signal);
      texts.push({ request: asked, text: written.text });
      return written;
    },
  };
  return { writer: watched, texts };
}

/**
 * Of each text that parts from what we write, by how many nats our likeliest token was likelier there than the next.
 *
 * @param path of the model that has written them
 */
async function partings(path: string, way: Way, texts: ReturnType<typeof watch>["texts"]) {
  const model = await openModel(path);
  const { tokenizer } = model;
  const generator = createGenerator(model, { bits: "exact", batchSize: 16 });
  const gaps = await Promise.all(
    texts.map(async ({ request: { messages, begun, maxTokens, stop = [] }, text: theirs }) => {
      const prompt =
        way === "chat" ? renderChat(tokenizer, messages) : plainPrompt(messages) + begunText(begun);
      const { text, tokens } = await generator.generate({
        promptIds: encodeText(tokenizer, prompt),
        maxNewTokens: maxTokens,
        stop: [...stop, ...(way === "chat" ? [] : plainStops)],
        logprobs: 2,
      });
      if (text === theirs) return [];
      const ids = tokens.map(({ id }) => id);
      const parting = ids.findIndex((_, i) => !theirs.startsWith(tokenizer.decode(ids.slice(0, i + 1))));
      const [first, second] = tokens.at(parting)!.top;
      return [first!.logprob - second!.logprob];
    }),
  );
  await generator.close();
  return gaps.flat();
}

describe.runIf(file).each(["chat", "plain"] as const)("%s", (way) => {
  test("our own server gives what the model itself does", async () => {
    const server = await serveModel(file!, "--exact");
    try {
      const served = await solveBy(await openRemote(server, way, 16), way);
      const local = await solveBy(await openLocal(file!, way), way);
      expect(served).toEqual(local);
      if (way === "plain") {
        const tokensOf = (name: string) =>
          local.filter(({ strategy }) => strategy === name).map(({ tokens }) => tokens);
        expect(tokensOf("dynasor:crazy")).not.toEqual(tokensOf("cot"));
      }
    } finally {
      server.stop();
    }
  });

  test.runIf(hasLlamaCpp)("llama.cpp in float32 writes what we write, but at near ties", async () => {
    const path = join(scratch, `${way}.gguf`);
    await exportGguf(openDevice("cpu"), await openModel(file!), path, { type: "f32" });
    const llama = await openLlamaCpp();
    const server = await serveByLlamaCpp(llama, path);
    const watched = watch(await openRemote(server, way, 1));
    try {
      const theirs = await solveBy(watched.writer, way);
      const ours = await solveBy(await openLocal(path, way), way);
      const gaps = await partings(path, way, watched.texts);
      const { length } = watched.texts;
      const equal = ours.filter(({ answer }, i) => answer === theirs[i]!.answer).length;
      console.info(
        `${way}: ${length - gaps.length} of ${length} texts and ${equal} of ${ours.length} answers alike; gaps where they part: ${gaps.map((gap) => gap.toFixed(4))} nats`,
      );
      for (const gap of gaps) expect(gap).toBeLessThan(nearTie.sixteenBits);
      expect(equal / ours.length).toBeGreaterThanOrEqual(0.95);
    } finally {
      await server.close();
      await llama.dispose();
    }
  });
});
