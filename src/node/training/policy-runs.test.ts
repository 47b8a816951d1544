import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { InputError } from "../../core/errors.ts";
import type { Reward } from "../../rewards/reward.ts";
import { fineTune, type RunResult, resumeRun } from "./fine-tune.ts";
import { readMetrics } from "./metrics-log.ts";
import type { RunOptions } from "./run-config.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-policy-runs-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const file = (name: string, text: string) => {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
};
const beginnings = ["Once there was a", "One day Anna saw a", "In the garden there was a", "Tom had a"];
const data = file(
  "prompts.jsonl",
  beginnings.map((prompt) => JSON.stringify({ prompt, answer: "cat" })).join("\n"),
);

/** Wanted is a cat or a dog. */
const pet: Reward = ({ text }) => (/cat|dog/.test(text) ? 1 : 0);
const brevity: Reward = ({ text }) => -text.length / 100;

const options = (name: string, more: Partial<RunOptions> = {}): RunOptions => ({
  model: "fixtures/embedded-model",
  data,
  apply_chat_template: false,
  objective: "grpo",
  reward: ["brevity"],
  batch_size: 2,
  num_generations: 3,
  max_completion_length: 5,
  max_steps: 4,
  save_steps: 1,
  learning_rate: 1e-2,
  lr_scheduler_type: "constant",
  warmup_ratio: 0,
  threads: 1,
  out: join(scratch, name),
  ...more,
});

const bits = ({ model: { adapter } }: RunResult) =>
  [...adapter!.parameters].map(([key, { data }]) => [key, [...new Uint32Array(data.buffer)]]);
/** Without what depends on the clock. */
const metricsOf = (folder: string) =>
  readMetrics(join(folder, "metrics.jsonl")).map(({ seconds: _, metrics, ...line }) => {
    const { rollout_seconds, rollout_tokens_per_second, ...more } = metrics!;
    return { ...line, metrics: more, peak_rss_bytes: 0 };
  });
const rolloutsOf = (folder: string) =>
  readdirSync(join(folder, "rollouts")).map((name) => readFileSync(join(folder, "rollouts", name), "utf8"));

test("what is rewarded becomes more frequent", async () => {
  const { folder } = await fineTune(
    options("pets", {
      reward: ["pet"],
      num_generations: 8,
      max_completion_length: 6,
      max_steps: 10,
      save_steps: 10,
    }),
    { rewards: { pet } },
  );
  const rewards = readMetrics(join(folder, "metrics.jsonl")).map(({ metrics }) => metrics!.reward!);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(mean(rewards.slice(-3))).toBeGreaterThan(mean(rewards.slice(0, 3)) + 0.4);
});

/** The run's options, and whether it is interrupted in the middle of writing, or between two steps. */
const kinds: Record<string, { readonly more: Partial<RunOptions>; readonly writing: boolean }> = {
  grpo: { more: {}, writing: true },
  "grpo on a quantized base, twice on the same answers": {
    more: { method: "qlora", lora: { use_dora: true }, num_iterations: 2, beta: 0.1, temperature: 1.3 },
    writing: false,
  },
  rloo: { more: { objective: "rloo" }, writing: true },
};

describe.each(Object.entries(kinds))("%s", (name, { more, writing }) => {
  test("goes on after an interruption as if there had been none", async () => {
    const rewards = { brevity };
    const whole = await fineTune(options(name, more), { rewards });
    const moves = readMetrics(join(whole.folder, "metrics.jsonl")).some(
      (line) => "grad_norm" in line && line.grad_norm > 0,
    );
    expect(moves).toBe(true);
    const interrupt = new AbortController();
    const parts = options(`${name} in parts`, more);
    let written = 0;
    const first = await fineTune(parts, {
      rewards,
      signal: interrupt.signal,
      // In the middle of the second step's answers.
      onStage: (stage) => writing && stage.startsWith("answers: 2/") && ++written === 2 && interrupt.abort(),
      onStep: ({ step }) => !writing && step === 3 && interrupt.abort(),
    });
    expect(first.outcome).toBe("interrupted");
    expect(first.progress.step).toBe(writing ? 1 : 3);
    const resumed = await resumeRun(parts.out, { rewards });
    expect(bits(resumed)).toEqual(bits(whole));
    expect(metricsOf(resumed.folder)).toEqual(metricsOf(whole.folder));
    expect(rolloutsOf(resumed.folder)).toEqual(rolloutsOf(whole.folder));
    expect(rolloutsOf(whole.folder)).toHaveLength(4 / (more.num_iterations ?? 1));
  });
});

test("where all answers are cut off and masked, the model stays as it is", async () => {
  const more = { mask_truncated_completions: true, max_completion_length: 1, max_steps: 1, beta: 0.1 };
  const { folder } = await fineTune(options("masked", more), { rewards: { brevity } });
  const [line] = readMetrics(join(folder, "metrics.jsonl"));
  expect(line).toMatchObject({ grad_norm: 0, metrics: { "completions/clipped_ratio": 1 } });
});

describe("a reward that fails", () => {
  const failing = (name: string, fail: (call: number) => number) => {
    let calls = 0;
    const broken: Reward = (rollout, group) => (calls++ < 14 ? brevity(rollout, group) : fail(calls));
    return fineTune(options(name), { rewards: { brevity: broken } });
  };

  test("ends the run in a sentence, and it goes on", async () => {
    const run = failing("throws", () => {
      throw new TypeError("no such property");
    });
    await expect(run).rejects.toThrow(InputError);
    await expect(run).rejects.toThrow(
      /The reward "brevity" at step 3, for an answer to .*prompts\.jsonl, line \d, failed \(no such property\)/,
    );
    const folder = join(scratch, "throws");
    expect(readMetrics(join(folder, "metrics.jsonl"))).toHaveLength(2);
    const [, , before] = rolloutsOf(folder);
    expect(before).not.toContain("rewards");
    const written = join(folder, "rollouts", readdirSync(join(folder, "rollouts"))[2]!);
    writeFileSync(written, before!.slice(0, -3));
    await expect(resumeRun(folder, { rewards: { brevity } })).rejects.toThrow("is damaged; remove it");
    writeFileSync(written, before!);
    const stages: string[] = [];
    await resumeRun(folder, { rewards: { brevity }, onStage: (stage) => stages.push(stage) });
    // The answers of the step that failed are not written again.
    expect(stages.filter((stage) => stage.startsWith("answers: 1/"))).toHaveLength(1);
    expect(metricsOf(folder)).toEqual(metricsOf(join(scratch, "grpo")));
  });

  test("is one that gives no number, too", async () => {
    const run = failing("no number", () => Number.NaN);
    await expect(run).rejects.toThrow(/line \d, is NaN, and no finite number; correct it, and go on/);
  });
});

test("a module that fails is corrected, and its run goes on with nothing lost", async () => {
  const write = (failing: string) =>
    file(
      "failing.mjs",
      `let calls = 0; export default ({ text }) => { ${failing} return -text.length / 100; };`,
    );
  const run = options("failing module", {
    reward: [write('if (++calls > 8) throw new TypeError("no such property");')],
    max_steps: 2,
    save_steps: 2,
  });
  await expect(fineTune(run)).rejects.toThrow(
    /failing\.mjs" at step 2, .* failed \(no such property\); correct it, and go on with `slimtune resume`/,
  );
  const before = rolloutsOf(run.out);
  write("");
  const warning = vi.spyOn(process, "emitWarning").mockReturnValue();
  const stages: string[] = [];
  await resumeRun(run.out, { onStage: (stage) => stages.push(stage) });
  expect(warning.mock.calls[0]![0]).toMatch(
    /changed since it was begun; from step 2 on answers are judged by it/,
  );
  expect(stages.filter((stage) => stage.startsWith("answers:"))).toEqual([]);
  expect(rolloutsOf(run.out)[0]).toBe(before[0]);
  expect(readMetrics(join(run.out, "metrics.jsonl")).map(({ step }) => step)).toEqual([1, 2]);
  // Once all answers are judged it has to stay as it is.
  write("text += '';");
  await expect(resumeRun(run.out)).rejects.toThrow("The module of reward of the run");
});

test("a module gives a reward, and has to stay as it is", async () => {
  const module = file("shorter.mjs", "export default ({ text, problem }, group) => -text.length / 100;");
  const run = options("module", { reward: [module, "length:0"], max_steps: 1 });
  const { outcome } = await fineTune(run);
  expect(outcome).toBe("finished");
  const [{ metrics } = { metrics: undefined }] = readMetrics(join(run.out, "metrics.jsonl"));
  expect(metrics![`rewards/${module}/mean`]).toBe(metrics!.reward);
  file("shorter.mjs", "export default ({ text }) => -text.length / 99;");
  await expect(resumeRun(run.out)).rejects.toThrow("The module of reward of the run");
});

const refusals: [name: string, more: Partial<RunOptions>, message: string][] = [
  [
    "an unknown reward",
    { reward: ["corect"] },
    'There is no reward "corect"; the rewards are correct, format',
  ],
  ["a module that is not there", { reward: ["./none.js"] }, "There is no module ./none.js"],
  ["a module without a function", { reward: [file("none.mjs", "export const a = 1;")] }, "has no function"],
  ["a module that is broken", { reward: [file("broken.mjs", "export default (")] }, "cannot be loaded"],
  ["a reward twice", { reward: ["correct", "correct"] }, "named twice"],
  ["held-out examples", { validation: 2 }, '"validation" is of no use'],
  ["cut prompts", { overlong: "truncate" }, "cannot be cut"],
  ["answers as long as the context", { max_completion_length: 512 }, 'lower "max_completion_length"'],
  ["a prompt that is too long", { max_completion_length: 509 }, "more than the context of 3"],
  [
    "texts",
    { data: file("texts.jsonl", '{"text":"Anna goes home."}') },
    "prompts with their right answers are wanted",
  ],
  [
    "no right answer",
    { data: file("empty.jsonl", '{"prompt":"One","answer":"#### "}') },
    'field "answer" is empty',
  ],
  ["one answer a group", { num_generations: 1 }, "must be at least 2"],
  [
    "another objective's option",
    { loss_type: "dapo", objective: "rloo" },
    '"loss_type" is an option of the objective "grpo"',
  ],
  ["a negative beta of its own", { beta: -1 }, "must be at least 0"],
];

test.each(refusals)("%s is refused in a sentence", async (name, more, message) => {
  const run = fineTune(options(`refused ${name}`, { reward: ["correct"], ...more }));
  await expect(run).rejects.toThrow(InputError);
  await expect(run).rejects.toThrow(message);
});

test("prompts under another objective are refused with the objective that learns from them", async () => {
  const run = fineTune({
    ...options("refused prompts"),
    reward: undefined!,
    num_generations: undefined!,
    max_completion_length: undefined!,
    objective: "dpo",
  });
  await expect(run).rejects.toThrow("--objective grpo");
});
