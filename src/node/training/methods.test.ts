import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type AdaptedModel, noAdapter } from "../../core/adapters/adapted-model.ts";
import { freeze } from "../../core/adapters/freeze.ts";
import { loraConfigSchema, ranksAndScales } from "../../core/adapters/lora.ts";
import { methodOf } from "../../core/adapters/methods.ts";
import { toLora } from "../../core/adapters/pissa-conversion.ts";
import { createEngine } from "../../core/engine/engine.ts";
import { loadAdapter } from "../adapters/load-adapter.ts";
import { generate } from "../decoding/generate.ts";
import { mergeAdapter } from "../export/merge.ts";
import { openModel } from "../models/open-model.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { fineTune, type RunResult, resumeRun } from "./fine-tune.ts";
import type { RunOptions } from "./run-config.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-methods-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const model = "fixtures/embedded-model";
const device = openDevice("cpu", { threads: 1 });
const data = join(scratch, "data.jsonl");
const lines = readFileSync("fixtures/miniature/math-train.jsonl", "utf8").split("\n");
writeFileSync(data, `${lines.slice(0, 12).join("\n")}\n`);

const adapterMethods: Record<string, Partial<RunOptions>> = {
  "lora+": { method: "lora+" },
  rslora: { method: "rslora" },
  dora: { method: "dora", lora: { lora_dropout: 0.1 } },
  "dora on NF4": { method: "dora", storage: "nf4" },
  pissa: { method: "pissa", lora: { r: 8 } },
  "lora on int8": { method: "lora", storage: "int8" },
  "dora on int8": { method: "dora", storage: "int8" },
  "lora-fa": { method: "lora-fa" },
  ia3: { method: "ia3" },
  "ia3 on NF4": { method: "ia3", storage: "nf4" },
  vera: { method: "vera", vera: { r: 16, vera_dropout: 0.1 } },
  "adaption-prompt": { method: "adaption-prompt" },
  "adaption-prompt on NF4": {
    method: "adaption-prompt",
    storage: "nf4",
    adaption_prompt: { adapter_len: 4, adapter_layers: 2, gate: "head" },
  },
  dca: { method: "dca", causal_weight: 0.5, shared_prompts: 2 },
  "lora with a whole embedding": {
    storage: "float16",
    lora: { modules_to_save: ["embed_tokens"], lora_dropout: 0.1 },
  },
};

const options = (name: string, more: Partial<RunOptions>): RunOptions => ({
  model,
  data,
  batch_size: 3,
  max_steps: 4,
  save_steps: 1,
  // High enough that the steps move the logits by more than rounding does.
  learning_rate: 2e-3,
  warmup_ratio: 0,
  validation: 0,
  threads: 1,
  out: join(scratch, name.replaceAll(" ", "-")),
  ...more,
});

async function logitsOf({ config, weights, adapter = noAdapter }: AdaptedModel): Promise<Float32Array> {
  const engine = createEngine(device, config, weights, adapter.adaptation, { segmentSize: 1 });
  const inputIds = Int32Array.from({ length: 24 }, (_, i) => (i * 37) % config.vocabSize);
  const positionIds = Int32Array.from(inputIds.keys());
  const batch = { rows: 1, length: 24, inputIds, positionIds, segmentIds: new Int32Array(24).fill(1) };
  const logits = await engine.logits(batch, positionIds, adapter.parameters);
  await engine.release();
  return logits;
}

const largestDifference = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

/** The same run, interrupted after its second step. */
async function runInParts(name: string, more: Partial<RunOptions>): Promise<RunResult> {
  const interrupt = new AbortController();
  const parts = options(`${name} in parts`, more);
  const first = await fineTune(parts, {
    signal: interrupt.signal,
    onStep: ({ step }) => step === 2 && interrupt.abort(),
  });
  expect(first.outcome).toBe("interrupted");
  return resumeRun(parts.out);
}

describe.each(Object.entries(adapterMethods))("%s", (name, more) => {
  test("gives an adapter for the original model, the same after an interruption, and merges if it can", async () => {
    const run = await fineTune(options(name, more));
    const resumed = await runInParts(name, more);
    const read = (path: string) => readFileSync(join(path, "adapter_model.safetensors"));
    expect(read(resumed.output!).equals(read(run.output!))).toBe(true);

    const base = await openModel(model, more.storage === undefined ? {} : { storage: more.storage });
    const adapted = await loadAdapter(base, run.output!);
    const logits = await logitsOf(adapted);
    expect(largestDifference(logits, await logitsOf(run.model))).toBeLessThan(1e-3);
    expect(largestDifference(logits, await logitsOf(base))).toBeGreaterThan(1e-2);
    const merging = mergeAdapter(device, adapted, join(scratch, "merged", name.replaceAll(" ", "-")));
    if (methodOf(more.method ?? "lora").isMergeable ?? true) await merging;
    else
      await expect(merging).rejects.toThrow(
        "so they cannot be merged, nor written as GGUF; use the base model",
      );
  });
});

test("a text is written with DoRA as its merged model writes it", async () => {
  const adapted = await loadAdapter(await openModel(model), join(scratch, "dora/adapter"));
  const prompt = "Tom has 3 pens and buys 4 pens. How many pens has Tom?";
  const merged = await openModel(join(scratch, "merged/dora"));
  expect(await generate(adapted, prompt)).toBe(await generate(merged, prompt));
});

test("freeze trains the last blocks and no other weight, the same after an interruption", async () => {
  const more = { method: "freeze", freeze_trainable_layers: 1 } as const;
  const run = await fineTune(options("freeze", more));
  const resumed = await runInParts("freeze", more);
  const read = (path: string) => readFileSync(join(path, "model.safetensors"));
  expect(read(resumed.output!).equals(read(run.output!))).toBe(true);
  const base = await openModel(model);
  const tuned = await openModel(run.output!);
  const last = base.config.numHiddenLayers - 1;
  for (let layer = 0; layer <= last; layer++) {
    const before = await base.weights.block(layer);
    for (const [name, { data: values }] of Object.entries(await tuned.weights.block(layer)))
      expect(Buffer.from(values.buffer).equals(Buffer.from(before[name]!.data.buffer))).toBe(layer !== last);
  }
  expect(tuned.weights.embedding).toEqual(base.weights.embedding);
  expect(largestDifference(await logitsOf(tuned), await logitsOf(run.model))).toBeLessThan(1e-4);
  expect(() => freeze(last + 2, base.config)).toThrow(`the model has ${last + 1} blocks`);
});

test("PiSSA refuses a rank above that of a weight", async () => {
  await expect(fineTune(options("high", { method: "pissa", lora: { r: 400 } }))).rejects.toThrow(
    "PiSSA takes 400 singular triplets of each weight",
  );
});

test.each([true, false])("PiSSA's adapter keeps each layer's scale (use_rslora: %s)", (use_rslora) => {
  const settings = loraConfigSchema.parse({
    r: 4,
    lora_alpha: 6,
    use_rslora,
    rank_pattern: { q_proj: 3 },
    alpha_pattern: { "layers.1.v_proj": 5 },
  });
  const converted = toLora(settings, new Map(), new Map()).settings;
  const names = ["layers.0.q_proj", "layers.1.v_proj", "layers.0.o_proj"];
  const after = ranksAndScales(converted, names);
  for (const [name, { r, scale }] of ranksAndScales(settings, names)) {
    expect(after.get(name)!.r).toBe(2 * r);
    expect(after.get(name)!.scale).toBeCloseTo(scale, 12);
  }
});
