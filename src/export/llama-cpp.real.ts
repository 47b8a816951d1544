import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AdaptedModel, loadAdapter } from "../adapters/adapted-model.ts";
import { openGguf } from "../formats/gguf.ts";
import { createGenerator } from "../generation/batch-generator.ts";
import { encodeChat } from "../generation/prompt.ts";
import { openModel } from "../models/open-model.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { fineTune } from "../training/fine-tune.ts";
import { exportGguf, exportGgufAdapter } from "./gguf.ts";
import { mergeAdapter } from "./merge.ts";

const { SLIMTUNE_SMOLLM2_GGUF: file, SLIMTUNE_NODE_LLAMA_CPP } = process.env;
const llamaPath = resolve(SLIMTUNE_NODE_LLAMA_CPP ?? "node_modules/node-llama-cpp", "dist/index.js");
if (!file || !existsSync(llamaPath)) {
  console.warn(
    "Exports are not tested with llama.cpp: see CONTRIBUTING.md for SLIMTUNE_SMOLLM2_GGUF and SLIMTUNE_NODE_LLAMA_CPP.",
  );
}

/** What is used of node-llama-cpp 3.22. */
interface LlamaModule {
  getLlama(options: { gpu: false; build: "never" }): Promise<{
    loadModel(options: { modelPath: string }): Promise<LlamaModel>;
    dispose(): Promise<void>;
  }>;
}
interface LlamaModel {
  tokenize(text: string, specialTokens: boolean): number[];
  createContext(options: { contextSize: number; threads: number; lora?: string }): Promise<{
    getSequence(): {
      clearHistory(): Promise<void>;
      evaluate(
        tokens: readonly number[],
        options: { temperature: 0; yieldEogToken: true },
      ): AsyncIterable<number>;
    };
    dispose(): Promise<void>;
  }>;
  dispose(): Promise<void>;
}

const questions = [
  "Tom has 3 pens and buys 4 pens. How many pens has Tom?",
  "A baker fills 7 trays with 24 rolls each and sells 95 rolls. How many are left?",
  "Who wrote Romeo and Juliet?",
  "Name three colours.",
];
const length = 32;

describe.runIf(file && existsSync(llamaPath))("SmolLM2-135M-Instruct, tuned and exported", () => {
  const scratch = mkdtempSync(join(tmpdir(), "slimtune-llama-cpp-"));
  const device = openDevice("cpu");
  const path = (name: string) => join(scratch, name);
  const adapter = path("run/adapter");
  let adapted: AdaptedModel;
  let llama: Awaited<ReturnType<LlamaModule["getLlama"]>>;

  beforeAll(async () => {
    await fineTune({
      model: file!,
      data: "fixtures/miniature/math-train.jsonl",
      lora: { r: 8, lora_alpha: 16 },
      learning_rate: 1e-3,
      max_steps: 8,
      validation: 0,
      out: path("run"),
    });
    adapted = loadAdapter(await openModel(file!), adapter);
    const module: LlamaModule = await import(pathToFileURL(llamaPath).href);
    llama = await module.getLlama({ gpu: false, build: "never" });
  }, 600_000);
  afterAll(async () => {
    await llama?.dispose();
    rmSync(scratch, { recursive: true });
  });

  const prompts = () =>
    questions.map((content) => encodeChat(adapted.tokenizer, [{ role: "user", content }]));

  /** Greedy tokens by llama.cpp. */
  async function writeByLlamaCpp(modelPath: string, lora?: string): Promise<number[][]> {
    const model = await llama.loadModel({ modelPath });
    const context = await model.createContext({ contextSize: 512, threads: 2, ...(lora && { lora }) });
    const sequence = context.getSequence();
    const written: number[][] = [];
    for (const prompt of prompts()) {
      await sequence.clearHistory();
      const tokens: number[] = [];
      for await (const token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
        tokens.push(token);
        if (tokens.length === length || token === adapted.tokenizer.eosTokenId) break;
      }
      written.push(tokens);
    }
    await context.dispose();
    await model.dispose();
    return written;
  }

  /**
   * Compares llama.cpp's tokens with ours and returns, of each answer that parts from ours, by how many nats our likeliest
   * token was likelier there than the next.
   */
  async function partings(model: AdaptedModel, theirs: readonly number[][]): Promise<number[]> {
    const generator = createGenerator(model, { bits: "exact" });
    const gaps: number[] = [];
    for (const [i, promptIds] of prompts().entries()) {
      const { tokens } = await generator.generate({ promptIds, maxNewTokens: length, logprobs: 2 });
      const parting = tokens.findIndex(({ id }, place) => id !== theirs[i]![place]);
      if (parting < 0) continue;
      const [first, second] = tokens[parting]!.top;
      gaps.push(first!.logprob - second!.logprob);
    }
    await generator.close();
    return gaps;
  }

  test.each(["f32", "f16", "q8_0"] as const)(
    "a GGUF file in %s: llama.cpp writes what we write",
    async (type) => {
      const exported = path(`model-${type}.gguf`);
      const check = await exportGguf(device, adapted, exported, { type });
      const gaps = await partings(await openModel(exported), await writeByLlamaCpp(exported));
      console.info(
        `${type}: logits differ by ${check.maxLogitDifference.toExponential(1)} of ${check.maxLogit.toFixed(1)}; answers part at ${gaps.length} of ${questions.length} prompts, gaps ${gaps} nats`,
      );
      // llama.cpp rounds the keys and values to float16, and for q8_0 the activations to 8 bits.
      for (const gap of gaps) expect(gap).toBeLessThan(type === "q8_0" ? 0.1 : 0.01);
    },
  );

  test("an adapter on the base model's own file: llama.cpp writes what we write", async () => {
    const exported = path("adapter.gguf");
    await exportGgufAdapter(device, adapted, adapter, exported);
    const theirs = await writeByLlamaCpp(file!, exported);
    const gaps = await partings(adapted, theirs);
    console.info(`adapter: answers part at ${gaps.length} of ${questions.length} prompts, gaps ${gaps} nats`);
    // llama.cpp multiplies 4-bit weights by activations of 8 bits.
    for (const gap of gaps) expect(gap).toBeLessThan(0.2);
    expect(await writeByLlamaCpp(file!)).not.toEqual(theirs);
  });

  test("through Hugging Face's files and back, metadata and tokenizer are llama.cpp's own", async () => {
    const folder = path("hugging-face");
    await mergeAdapter(device, adapted, folder);
    const exported = path("again.gguf");
    await exportGguf(device, await openModel(folder), exported, { type: "f16" });
    const [original, again] = [openGguf(file!), openGguf(exported)];
    for (const key of original.metadata.keys()) {
      if (/^(llama|tokenizer)\./.test(key))
        expect(again.metadata.get(key), key).toEqual(original.metadata.get(key));
    }
    original.close();
    again.close();
    const gaps = await partings(adapted, await writeByLlamaCpp(exported));
    for (const gap of gaps) expect(gap).toBeLessThan(0.01);
  });
});
