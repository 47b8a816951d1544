import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { loadAdapter } from "../adapters/load-adapter.ts";
import { generate } from "../decoding/generate.ts";
import { exportGguf, exportGgufAdapter } from "../export/gguf.ts";
import { mergeAdapter } from "../export/merge.ts";
import { openModel } from "../models/open-model.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { fineTune, resumeRun } from "./fine-tune.ts";
import type { RunOptions } from "./run-config.ts";
import type { RunPlan } from "./run-events.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-trained-tokens-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const model = "fixtures/embedded-model";
const device = openDevice("cpu", { threads: 1 });
const data = join(scratch, "data.jsonl");
const lines = ["one", "two", "three", "four"].map((word) =>
  JSON.stringify({ prompt: `Call for ${word}.`, completion: `<tool>${word}</tool>` }),
);
writeFileSync(data, `${lines.join("\n")}\n`);

const options = (name: string, more: Partial<RunOptions> = {}): RunOptions => ({
  model,
  data,
  batch_size: 2,
  max_steps: 6,
  save_steps: 1,
  learning_rate: 1e-2,
  warmup_ratio: 0,
  validation: 0,
  apply_chat_template: false,
  threads: 1,
  train_tokens: ["<tool>", "</tool>", "<|turn|>"],
  out: join(scratch, name),
  ...more,
});

test.each(["lora", "trainable_tokens"] as const)(
  "new tokens are added to the tokenizer and trained with %s, the same after an interruption",
  async (method) => {
    let plan: RunPlan | undefined;
    const run = await fineTune(options(method, { method }), { onPlan: (given) => (plan = given) });
    expect(plan!.tokens).toEqual({ added: ["<tool>", "</tool>"], existing: ["<|turn|>"] });
    const interrupt = new AbortController();
    const parts = options(`${method}-in-parts`, { method });
    await fineTune(parts, {
      signal: interrupt.signal,
      onStep: ({ step }) => step === 2 && interrupt.abort(),
    });
    const resumed = await resumeRun(parts.out);
    const bytes = (folder: string) => readFileSync(join(folder, "adapter_model.safetensors"));
    expect(bytes(resumed.output!).equals(bytes(run.output!))).toBe(true);

    const base = await openModel(model);
    const adapted = await loadAdapter(base, run.output!);
    const { tokenizer, config } = adapted;
    expect(config.vocabSize).toBe(base.config.vocabSize + 2);
    const [open, close] = ["<tool>", "</tool>"].map((token) => tokenizer.idOf(token)!);
    expect([open, close]).toEqual([base.config.vocabSize, base.config.vocabSize + 1]);
    expect(tokenizer.encode("<tool></tool>")).toEqual([open, close]);
    expect(tokenizer.decode([open!], { skipSpecialTokens: true })).toBe("");

    const merged = join(scratch, `${method}-merged`);
    await mergeAdapter(device, adapted, merged);
    const plain = await openModel(merged);
    expect(plain.tokenizer.encode("<tool></tool>")).toEqual([open, close]);
    const prompt = "Call for two.";
    const asText = { maxNewTokens: 8 };
    expect(await generate(plain, prompt, asText)).toBe(await generate(adapted, prompt, asText));
    const gguf = join(scratch, `${method}.gguf`);
    await exportGguf(device, adapted, gguf, { type: "f32" });
    expect((await openModel(gguf)).tokenizer.encode("<tool></tool>")).toEqual([open, close]);
    const refused = exportGgufAdapter(device, base, run.output!, join(scratch, "adapter.gguf"));
    await expect(refused).rejects.toThrow(/trains "model\.embed_tokens\..*merge it into the model instead/);
    expect(existsSync(join(scratch, "adapter.gguf"))).toBe(false);
  },
);

test("a GGUF file's tokenizer takes new tokens, and gives them to a folder and another file", async () => {
  const path = join(scratch, "base.gguf");
  await exportGguf(device, await openModel(model), path, { type: "f32" });
  const run = await fineTune(options("of-gguf", { model: path, method: "trainable_tokens", max_steps: 2 }));
  const adapted = await loadAdapter(await openModel(path), run.output!);
  const ids = adapted.tokenizer.encode("<tool></tool>");
  expect(ids).toHaveLength(2);
  await mergeAdapter(device, adapted, join(scratch, "of-gguf-merged"));
  await exportGguf(device, adapted, join(scratch, "of-gguf.gguf"), { type: "f32" });
  for (const written of ["of-gguf-merged", "of-gguf.gguf"])
    expect((await openModel(join(scratch, written))).tokenizer.encode("<tool></tool>")).toEqual(ids);
});

test("a run goes on with an adapter that has tokens of its own", async () => {
  const first = join(scratch, "lora");
  const { train_tokens: _, ...more } = options("second", { adapter: first, max_steps: 2 });
  const run = await fineTune(more);
  expect((await loadAdapter(await openModel(model), run.output!)).tokenizer.idOf("<tool>")).toBeDefined();
  await expect(fineTune(options("third", { adapter: first }))).rejects.toThrow(
    'so "train_tokens" cannot be given',
  );
});

test("other methods train no single tokens", async () => {
  await expect(fineTune(options("ia3", { method: "ia3" }))).rejects.toThrow(
    'method "ia3" cannot train single tokens (train_tokens); choose method "lora" or "trainable_tokens".',
  );
  const { train_tokens: _, ...none } = options("none", { method: "trainable_tokens" });
  await expect(fineTune(none)).rejects.toThrow("has no tokens to train");
});
