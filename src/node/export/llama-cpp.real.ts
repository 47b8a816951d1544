import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AdaptedModel } from "../../core/adapters/adapted-model.ts";
import { encodeChat } from "../../core/decoding/prompt.ts";
import { loadAdapter } from "../adapters/load-adapter.ts";
import { createGenerator } from "../decoding/generate.ts";
import { openGgufFile } from "../formats/gguf.ts";
import { openModel } from "../models/open-model.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { fineTune } from "../training/fine-tune.ts";
import { exportGguf, exportGgufAdapter } from "./gguf.ts";
import { hasLlamaCpp, type Llama, nearTie, openLlamaCpp } from "./llama-cpp.fixture.ts";
import { describeCheck } from "./logit-check.ts";
import { mergeAdapter } from "./merge.ts";
import { openTinyModel, tinyAdapters, tinyModels } from "./tiny-models.fixture.ts";

const { SLIMTUNE_SMOLLM2_GGUF: file } = process.env;
if (!hasLlamaCpp)
  console.warn("Exports are not tested with llama.cpp: see CONTRIBUTING.md for SLIMTUNE_NODE_LLAMA_CPP.");
if (!file) console.warn("Exports of SmolLM2 are not tested: see CONTRIBUTING.md for SLIMTUNE_SMOLLM2_GGUF.");

const scratch = mkdtempSync(join(tmpdir(), "slimtune-llama-cpp-"));
const path = (name: string) => join(scratch, name);
const device = openDevice("cpu");
let llama: Llama | undefined;
beforeAll(async () => {
  if (hasLlamaCpp) llama = await openLlamaCpp();
}, 600_000);
afterAll(async () => {
  await llama?.dispose();
  rmSync(scratch, { recursive: true });
});

/** Greedy answers of `length` tokens, or up to the end token, by llama.cpp. */
async function writeByLlamaCpp(
  modelPath: string,
  prompts: readonly (readonly number[])[],
  { length, end, lora }: { length: number; end: number | undefined; lora?: string },
): Promise<number[][]> {
  const model = await llama!.loadModel({ modelPath });
  const context = await model.createContext({ contextSize: 256, threads: 1, ...(lora && { lora }) });
  const sequence = context.getSequence();
  const answers: number[][] = [];
  for (const prompt of prompts) {
    await sequence.clearHistory();
    const answer: number[] = [];
    for await (const token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
      answer.push(token);
      if (answer.length === length || token === end) break;
    }
    answers.push(answer);
  }
  await context.dispose();
  await model.dispose();
  return answers;
}

/**
 * Compares answers with ours and returns, of each one that parts from ours, by how many nats our likeliest token was
 * likelier there than the next.
 */
async function partings(
  model: AdaptedModel,
  prompts: readonly (readonly number[])[],
  answers: readonly number[][],
): Promise<number[]> {
  const generator = createGenerator(model, { bits: "exact" });
  const gaps: number[] = [];
  for (const [i, promptIds] of prompts.entries()) {
    const answer = answers[i]!;
    expect(answer.length).toBeGreaterThan(0);
    const { tokens } = await generator.generate({ promptIds, maxNewTokens: answer.length, logprobs: 2 });
    const parting = tokens.findIndex(({ id }, place) => id !== answer[place]);
    if (parting < 0) continue;
    const [first, second] = tokens[parting]!.top;
    gaps.push(first!.logprob - second!.logprob);
  }
  await generator.close();
  return gaps;
}

describe.runIf(hasLlamaCpp)("tiny models", async () => {
  const prompts = [
    [5, 9, 23, 44],
    [60, 3, 3],
  ];
  /** Within the shortest context, which is Mistral's window. */
  const lengthOf = (name: string) => (name === "mistral" ? 4 : 24);

  test.each(tinyModels)("%s: llama.cpp writes what we write", async (name) => {
    const model = await openTinyModel(scratch, name);
    const exported = path(`${name}.gguf`);
    await exportGguf(device, model, exported, { type: "f32" });
    const answers = await writeByLlamaCpp(exported, prompts, { length: lengthOf(name), end: 0 });
    for (const gap of await partings(model, prompts, answers)) expect(gap).toBeLessThan(nearTie.sixteenBits);
  });

  test.each(tinyAdapters)("the adapter %s: llama.cpp writes what we write", async (name) => {
    const folder = `fixtures/reference/lora/${name}`;
    const base = await openTinyModel(scratch, name.split("-")[0]!);
    const [model, lora] = [path(`${name}-base.gguf`), path(`${name}-lora.gguf`)];
    await exportGguf(device, base, model, { type: "f32" });
    await exportGgufAdapter(device, base, folder, lora);
    const answers = await writeByLlamaCpp(model, prompts, { length: 24, end: 0, lora });
    const gaps = await partings(await loadAdapter(base, folder), prompts, answers);
    for (const gap of gaps) expect(gap).toBeLessThan(nearTie.sixteenBits);
    expect(await writeByLlamaCpp(model, prompts, { length: 24, end: 0 })).not.toEqual(answers);
  });
});

describe.runIf(hasLlamaCpp && file)("SmolLM2-135M-Instruct, tuned and exported", () => {
  const questions = [
    "Tom has 3 pens and buys 4 pens. How many pens has Tom?",
    "A baker fills 7 trays with 24 rolls each and sells 95 rolls. How many are left?",
    "Who wrote Romeo and Juliet?",
    "Name three colours.",
  ];
  const adapter = path("run/adapter");
  let adapted: AdaptedModel;
  let prompts: number[][];
  const write = (modelPath: string, lora?: string) =>
    writeByLlamaCpp(modelPath, prompts, {
      length: 32,
      end: adapted.tokenizer.eosTokenId,
      ...(lora !== undefined && { lora }),
    });

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
    adapted = await loadAdapter(await openModel(file!), adapter);
    prompts = questions.map((content) => encodeChat(adapted.tokenizer, [{ role: "user", content }]));
  }, 600_000);

  test.each(["f32", "f16", "q8_0", "q5_k_m", "q4_k_m", "q4_0"] as const)(
    "as GGUF in %s: llama.cpp writes what we write",
    async (type) => {
      const exported = path(`model-${type}.gguf`);
      const check = await exportGguf(device, adapted, exported, { type });
      const gaps = await partings(await openModel(exported), prompts, await write(exported));
      console.info(
        `${type}: ${describeCheck(check)}; answers part at ${gaps.length} of ${prompts.length} prompts, gaps ${gaps} nats`,
      );
      for (const gap of gaps)
        expect(gap).toBeLessThan(type.startsWith("q") ? nearTie.eightBits : nearTie.sixteenBits);
    },
  );

  test("an adapter on its base model in f32, and on the 4-bit file: llama.cpp writes what we write", async () => {
    const exported = path("adapter.gguf");
    await exportGgufAdapter(device, adapted, adapter, exported);
    const base = path("base.gguf");
    await exportGguf(device, await openModel(file!), base, { type: "f32" });
    const exact = await partings(adapted, prompts, await write(base, exported));
    const onFile = await write(file!, exported);
    const rounded = await partings(adapted, prompts, onFile);
    console.info(`adapter: answers part at gaps of ${exact} nats, on the 4-bit file of ${rounded}`);
    for (const gap of exact) expect(gap).toBeLessThan(nearTie.sixteenBits);
    for (const gap of rounded) expect(gap).toBeLessThan(nearTie.eightBits);
    expect(await write(file!)).not.toEqual(onFile);
  });

  test("through Hugging Face's files and back, metadata and tokenizer are llama.cpp's own", async () => {
    const folder = path("hugging-face");
    await mergeAdapter(device, adapted, folder);
    const exported = path("again.gguf");
    await exportGguf(device, await openModel(folder), exported);
    const [original, again] = [await openGgufFile(file!), await openGgufFile(exported)];
    // llama.cpp reads tokenizer.ggml.add_space_prefix of SentencePiece's tokenizers only.
    const keys = [...original.metadata.keys()].filter((key) =>
      /^(llama|tokenizer)\.(?!.*add_space)/.test(key),
    );
    for (const key of keys) expect(again.metadata.get(key), key).toEqual(original.metadata.get(key));
    original.close();
    again.close();
    const gaps = await partings(await openModel(exported), prompts, await write(exported));
    for (const gap of gaps) expect(gap).toBeLessThan(nearTie.sixteenBits);
  });
});
