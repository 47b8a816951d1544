import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openAdaptedModel } from "../adapters/open-adapted.ts";
import { generate } from "../decoding/generate.ts";
import { fineTune, type RunResult, resumeRun } from "./fine-tune.ts";
import { openRun } from "./open-run.ts";
import type { RunOptions } from "./run-config.ts";
import type { RunPlan } from "./run-events.ts";
import type { RunSample } from "./samples.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-samples-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const file = (name: string, text: string) => {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
};
const chats = file(
  "chats.jsonl",
  readFileSync("fixtures/miniature/math-train.jsonl", "utf8").split("\n").slice(0, 12).join("\n"),
);
const model = "fixtures/embedded-model";
const prompts = ["Zoe has 3 flowers and Max has 9. How many have they?", "When do you open?"];

const options = (name: string, more: Partial<RunOptions> = {}): RunOptions => ({
  model,
  data: chats,
  batch_size: 2,
  max_steps: 4,
  validation: 2,
  eval_steps: 2,
  save_steps: 1,
  learning_rate: 5e-3,
  warmup_ratio: 0,
  threads: 1,
  sample_prompts: prompts,
  sample_tokens: 12,
  out: join(scratch, name),
  ...more,
});
const write = async (name: string, adapter?: string) => {
  const opened = await openAdaptedModel(name, adapter === undefined ? {} : { adapter });
  const texts = prompts.map((prompt) => generate(opened, prompt, { maxNewTokens: 12, chat: true }));
  return Promise.all(texts);
};
const base = await write(model);

describe.each<Partial<RunOptions>>([
  { method: "dora" },
  { method: "freeze" },
  { method: "full", learning_rate: 1e-3 },
])("$method", ({ method, ...more }) => {
  test("answers as the base at first, and as the result in the end", async () => {
    const run = options(method!, { method, validation: 0, ...more });
    const told: RunSample[] = [];
    const { output } = await fineTune(run, { onSample: (sample) => told.push(sample) });
    const tuned = await (method === "dora" ? write(model, output) : write(output!));
    expect(tuned).not.toEqual(base);
    expect(told).toEqual([
      ...prompts.map((prompt, i) => ({ step: 0, prompt, answer: base[i] })),
      ...prompts.map((prompt, i) => ({ step: 4, prompt, answer: tuned[i] })),
    ]);
    expect(openRun(run.out).samples).toEqual(told);
  });
});

/** Without what depends on the clock and on what else the process has done. */
const metricsOf = ({ out }: RunOptions) =>
  openRun(out).metrics.map((line) => ({ ...line, seconds: 0, peak_rss_bytes: 0 }));
const bitsOf = ({ model: { adapter } }: RunResult) =>
  [...adapter!.parameters].map(([key, { data }]) => [key, [...new Uint32Array(data.buffer)]]);

test("are written at each evaluation, change no bit of the run, and are kept when it goes on", async () => {
  const run = options("whole");
  let planned: RunPlan | undefined;
  const whole = await fineTune(run, { onPlan: (plan) => (planned = plan) });
  const samples = openRun(run.out).samples;
  expect(samples.map(({ step }) => step)).toEqual([0, 0, 2, 2, 4, 4]);

  const { sample_prompts: _, ...without } = options("without");
  expect(bitsOf(await fineTune(without))).toEqual(bitsOf(whole));
  expect(metricsOf(without)).toEqual(metricsOf(run));
  expect(existsSync(join(without.out, "samples.jsonl"))).toBe(false);

  // Between the samples of step 2 and the held-out loss, and of a process that was ended later than its checkpoint was written.
  const parts = options("parts");
  const interrupt = new AbortController();
  const signal = interrupt.signal;
  const { progress } = await fineTune(parts, {
    signal,
    onSample: ({ step }) => step === 2 && interrupt.abort(),
  });
  expect(progress).toMatchObject({ step: 2, evaluated: false });
  expect(openRun(parts.out).samples).toEqual(samples.slice(0, 4));
  appendFileSync(join(parts.out, "samples.jsonl"), '{"step":4,"prompt":"lost","answer":""}\n{"step":4,"pro');
  const written = statSync(join(parts.out, "plan.json"));
  expect(bitsOf(await resumeRun(parts.out))).toEqual(bitsOf(whole));
  expect(openRun(parts.out).samples).toEqual(samples);
  expect(statSync(join(parts.out, "plan.json")).ino).toBe(written.ino);
  expect(openRun(parts.out).plan).toEqual({
    total_steps: 4,
    steps_per_epoch: 5,
    eval_steps: 2,
    save_steps: 1,
    evaluations: 3,
    examples: 10,
    held_out: 2,
    tokens: expect.any(Number),
    held_out_tokens: expect.any(Number),
    segment_size: planned?.segmentSize,
    trainable_parameters: planned?.trainableParameters,
    parameters: expect.any(Number),
  });
});

test("go through the chat template only where the data do", async () => {
  const texts = file("texts.jsonl", '{"text":"Tom had a red ball."}\n{"text":"Anna saw a small dog."}');
  const run = options("texts", {
    data: texts,
    validation: 0,
    max_steps: 1,
    sample_prompts: ["Once there was"],
  });
  await fineTune(run);
  const opened = await openAdaptedModel(model);
  const plain = await generate(opened, "Once there was", { maxNewTokens: 12, chat: false });
  expect(openRun(run.out).samples[0]).toEqual({ step: 0, prompt: "Once there was", answer: plain });
  expect(plain).not.toBe(await generate(opened, "Once there was", { maxNewTokens: 12, chat: true }));
});

test("are written by a model that learns from its own answers, too", async () => {
  const run = options("grpo", {
    objective: "grpo",
    validation: undefined,
    eval_steps: undefined,
    max_completion_length: 4,
    num_generations: 2,
    max_steps: 2,
  });
  await fineTune(run);
  expect(openRun(run.out).samples.map(({ step }) => step)).toEqual([0, 0, 2, 2]);
});

test.each<[what: string, more: Partial<RunOptions>, message: string]>([
  ["a model that judges", { objective: "prm" }, 'objective "prm" teaches a model to judge'],
  [
    "a prompt without room",
    { sample_prompts: ["cat ".repeat(600)] },
    "but the model's context is 512; shorten it",
  ],
])("%s is refused, and nothing written", async (_, more, message) => {
  const run = options("refused", more);
  await expect(fineTune(run)).rejects.toThrow(message);
  expect(existsSync(run.out)).toBe(false);
});
