import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { EvaluationMetrics, StepMetrics } from "../../core/training/loop.ts";
import { fineTune, resumeRun } from "./fine-tune.ts";
import { completeOptions } from "./initial-adapter.ts";
import type { RunOptions } from "./run-config.ts";

// Made by reference/continued_adapter.py with PEFT and PyTorch.
const folder = "fixtures/reference/continued";
const adapter = `${folder}/adapter`;
const golden: { learning_rate: number; steps: { loss: number; grad_norm: number }[] } = JSON.parse(
  readFileSync(`${folder}/golden.json`, "utf8"),
);
const scratch = mkdtempSync(join(tmpdir(), "slimtune-continued-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const options = (out: string, more: Partial<RunOptions> = {}): RunOptions => ({
  model: "fixtures/embedded-model",
  data: `${folder}/data.jsonl`,
  adapter,
  apply_chat_template: false,
  train_on: "all",
  batch_size: 3,
  max_steps: golden.steps.length,
  save_steps: 1,
  learning_rate: golden.learning_rate,
  lr_scheduler_type: "constant",
  validation: 0,
  threads: 1,
  out: join(scratch, out),
  ...more,
});
const read = (path: string) => readFileSync(join(path, "adapter_model.safetensors"));

/** A run, and what it logs. */
async function tune(given: RunOptions) {
  const steps: StepMetrics[] = [];
  const result = await fineTune(given, { onStep: (line) => steps.push(line) });
  return { ...result, steps };
}

let whole: Awaited<ReturnType<typeof tune>>;
beforeAll(async () => {
  whole = await tune(options("whole"));
});

test("steps on PEFT's adapter equal those of PEFT that goes on with it", () => {
  for (const [index, expected] of golden.steps.entries()) {
    const { loss, grad_norm } = whole.steps[index]!;
    expect(Math.abs(loss - expected.loss) / expected.loss, `loss of step ${index}`).toBeLessThan(2e-5);
    expect(Math.abs(grad_norm - expected.grad_norm) / expected.grad_norm).toBeLessThan(2e-5);
  }
});

test("the run keeps the adapter's settings, and its hash with the other inputs", () => {
  const config = parse(readFileSync(join(whole.folder, "config.yaml"), "utf8"));
  const lora = { r: 4, lora_alpha: 6, use_rslora: true, rank_pattern: { down_proj: 2 } };
  expect(config).toMatchObject({ adapter, lora });
  expect(JSON.parse(readFileSync(join(whole.folder, "inputs.json"), "utf8")).adapterSha256).toMatch(
    /^[0-9a-f]{64}$/,
  );
  expect(JSON.parse(readFileSync(join(whole.output!, "adapter_config.json"), "utf8"))).toMatchObject(lora);
});

test("an interrupted run goes on bit for bit, and not with another adapter", async () => {
  const copy = join(scratch, "copy");
  cpSync(adapter, copy, { recursive: true });
  const interrupt = new AbortController();
  const parts = options("parts", { adapter: copy });
  const first = await fineTune(parts, {
    signal: interrupt.signal,
    onStep: ({ step }) => step === 2 && interrupt.abort(),
  });
  expect(first.outcome).toBe("interrupted");

  cpSync(whole.output!, copy, { recursive: true });
  await expect(resumeRun(parts.out)).rejects.toThrow(
    `The adapter of the run in ${parts.out} changed since it was begun, so it cannot be resumed`,
  );
  cpSync(adapter, copy, { recursive: true });
  const resumed = await resumeRun(parts.out);
  expect(read(resumed.output!).equals(read(whole.output!))).toBe(true);
});

test("a run goes on with the adapter of another by its folder: first with the loss that this one ended with", async () => {
  const evaluations: EvaluationMetrics[] = [];
  const given = options("measured", { validation: 1, max_steps: 4 });
  await fineTune(given, { onEvaluation: (line) => evaluations.push(line) });
  const ended = evaluations.at(-1)!.eval_loss;
  await fineTune(
    { ...given, adapter: given.out, out: join(scratch, "next"), max_steps: 1, batch_size: 1 },
    { onEvaluation: (line) => evaluations.push(line) },
  );
  expect(evaluations.filter(({ step }) => step === 0)).toHaveLength(2);
  expect(evaluations.at(-2)!.eval_loss).toBe(ended);
});

describe("options with an adapter", () => {
  const complete = (more: Partial<RunOptions>) => completeOptions(options("never", more), "run.yaml");

  test("that say the same, or of the dropout, are taken", () => {
    const lora = { r: 4, target_modules: ["down_proj", "q_proj"], lora_dropout: 0.1 };
    expect(complete({ lora }).lora).toMatchObject({ lora_alpha: 6, lora_dropout: 0.1 });
    expect(complete({ method: "qlora" })).toMatchObject({ storage: "nf4", lora: { r: 4 } });
    expect(complete({ method: "rslora" }).lora).toMatchObject({ use_rslora: true });
  });

  test.each<[Partial<RunOptions>, string]>([
    [
      { lora: { r: 8 } },
      `the option "lora.r" is 8, but the adapter ${adapter} was made with 4; leave it out.`,
    ],
    [{ lora: { lora_alpha: 8 } }, 'the option "lora.lora_alpha" is 8'],
    [{ lora: { target_modules: ["q_proj"] } }, 'the option "lora.target_modules" is ["q_proj"]'],
    [{ lora: { use_dora: true } }, 'the option "lora.use_dora" is true'],
    [{ lora: { rank_pattern: {} } }, 'the option "lora.rank_pattern" is {}'],
    [{ lora: { init_lora_weights: "pissa" } }, 'the option "lora.init_lora_weights" is "pissa"'],
    [{ method: "dora" }, 'method "dora" sets lora.use_dora to true, so it cannot be false'],
    [{ method: "pissa" }, 'method "pissa" sets lora.init_lora_weights to pissa, so it cannot be true'],
    [{ method: "full" }, 'method "full" trains the model\'s own weights, so it cannot go on with an adapter'],
    [{ adapter: scratch }, "so this folder is not an adapter"],
  ])("that contradict it are refused: %j", (more, sentence) => {
    expect(() => complete(more)).toThrow(sentence);
  });

  test("are refused if the adapter is for another model, before anything is written", async () => {
    const other = join(scratch, "other");
    cpSync(whole.output!, other, { recursive: true });
    const path = join(other, "adapter_model.safetensors");
    writeFileSync(path, readFileSync(path, "latin1").replace(/(base_fingerprint":")./, "$1x"), "latin1");
    const given = options("unfit", { adapter: other });
    await expect(fineTune(given)).rejects.toThrow("was trained on another base model");
    expect(() => readFileSync(join(given.out, "config.yaml"))).toThrow("ENOENT");
  });
});
