import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { encodeChat } from "../../core/decoding/prompt.ts";
import { InputError } from "../../core/errors.ts";
import { createGenerator } from "../decoding/generate.ts";
import { openModel } from "../models/open-model.ts";
import { fineTune, resumeRun } from "./fine-tune.ts";
import { readMetrics } from "./metrics-log.ts";
import type { RunOptions } from "./run-config.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-objective-runs-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const model = "fixtures/embedded-model";
const file = (name: string, rows: readonly object[]) => {
  const path = join(scratch, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
};
const rows: { question: string; answer: string }[] = readFileSync(
  "fixtures/miniature/math-train.jsonl",
  "utf8",
)
  .split("\n")
  .slice(0, 12)
  .map((line) => JSON.parse(line));
const other = (i: number) => rows[(i + 5) % rows.length]!.answer;
const texts = file("texts.jsonl", rows);
const weighted = file(
  "weighted.jsonl",
  rows.map((row, i) => ({ ...row, weight: i % 3 })),
);
const pairs = file(
  "pairs.jsonl",
  rows.map(({ question, answer }, i) => ({ prompt: question, chosen: answer, rejected: other(i) })),
);
const unpaired = file(
  "unpaired.jsonl",
  rows.map(({ question, answer }, i) => ({
    prompt: question,
    completion: i % 2 === 0 ? answer : other(i),
    label: i % 2 === 0,
  })),
);
const wordings = file(
  "wordings.jsonl",
  rows.map(({ question, answer }) => ({
    prompt: question,
    rewording: `Tell me: ${question}`,
    completion: answer,
  })),
);
const neutral = join(scratch, "neutral.txt");
writeFileSync(neutral, "Anna goes to the lake. She sees a duck. Then she goes home. ".repeat(20));

/** The model with two tokens that have changed places. */
const stranger = join(scratch, "stranger");
cpSync(model, stranger, { recursive: true });
const tokenizer = JSON.parse(readFileSync(join(model, "tokenizer.json"), "utf8"));
const { vocab } = tokenizer.model;
const [one, two] = Object.keys(vocab).slice(-2);
[vocab[one!], vocab[two!]] = [vocab[two!], vocab[one!]];
writeFileSync(join(stranger, "tokenizer.json"), JSON.stringify(tokenizer));

const options = (name: string, more: Partial<RunOptions>): RunOptions => ({
  model,
  data: texts,
  batch_size: 4,
  max_steps: 4,
  save_steps: 1,
  eval_steps: 2,
  validation: 4,
  learning_rate: 2e-3,
  warmup_ratio: 0,
  threads: 1,
  out: join(scratch, name),
  ...more,
});

const runs: Record<string, { more: Partial<RunOptions>; metrics: readonly string[] }> = {
  weighted: { more: { data: weighted }, metrics: [] },
  dpo: { more: { objective: "dpo", data: pairs }, metrics: ["rewards/margins", "logps/chosen"] },
  kto: { more: { objective: "kto", data: unpaired }, metrics: ["kl"] },
  companion: { more: { objective: "companion", data: wordings, segment_size: 1 }, metrics: [] },
  "orpo, whole weights": {
    more: { objective: "orpo", data: pairs, method: "freeze", learning_rate: 1e-4 },
    metrics: ["nll_loss"],
  },
  "keep on prompts": { more: { keep: 0.5 }, metrics: ["task_loss", "keep"] },
  "keep on a text, block by block": {
    more: { keep: 0.5, keep_text: neutral, segment_size: 1 },
    metrics: ["task_loss", "keep"],
  },
  distill: {
    more: { objective: "distill", teacher: model, method: "qlora", divergence: "jsd", keep: 0.1 },
    metrics: ["distillation", "keep"],
  },
};

describe.each(Object.entries(runs))("%s", (name, { more, metrics }) => {
  test("goes on after an interruption as if there had been none, and tells its metrics", async () => {
    const whole = await fineTune(options(name, more));
    const interrupt = new AbortController();
    const parts = options(`${name} in parts`, more);
    const first = await fineTune(parts, {
      signal: interrupt.signal,
      onStep: ({ step }) => step === 2 && interrupt.abort(),
    });
    expect(first.outcome).toBe("interrupted");
    const resumed = await resumeRun(parts.out);
    const bits = ({ model: { adapter } }: typeof whole) =>
      [...adapter!.parameters].map(([key, { data }]) => [key, [...new Uint32Array(data.buffer)]]);
    expect(bits(resumed)).toEqual(bits(whole));

    const lines = readMetrics(join(whole.folder, "metrics.jsonl"));
    const withoutTime = (path: string) =>
      readMetrics(path).map(({ seconds: _, ...line }) => ({ ...line, peak_rss_bytes: 0 }));
    expect(withoutTime(join(resumed.folder, "metrics.jsonl"))).toEqual(
      withoutTime(join(whole.folder, "metrics.jsonl")),
    );
    for (const line of lines)
      expect(Object.keys(line.metrics ?? {})).toEqual(expect.arrayContaining([...metrics]));
  });
});

test("the margin and the divergence are zero before the first step, and not after", () => {
  const evaluations = (name: string) =>
    readMetrics(join(scratch, name, "metrics.jsonl")).filter((line) => "eval_loss" in line);
  const margins = readMetrics(join(scratch, "dpo", "metrics.jsonl")).map(
    ({ metrics }) => metrics!["rewards/margins"]!,
  );
  expect(Math.abs(margins[0]!)).toBeLessThan(1e-5);
  expect(Math.abs(margins.at(-1)!)).toBeGreaterThan(0.01);
  const [kept, , moved] = evaluations("keep on a text, block by block");
  expect(Math.abs(kept!.metrics!.keep!)).toBeLessThan(1e-5);
  expect(moved!.metrics!.keep).toBeGreaterThan(1e-4);
  expect(moved!.eval_loss).toBeCloseTo(moved!.metrics!.task_loss! + 0.5 * moved!.metrics!.keep!, 10);
});

test("states after two wordings come nearer to each other the more that counts", async () => {
  const apart = async (companion_weight: number) => {
    const out = `companion ${companion_weight}`;
    await fineTune(
      options(out, {
        objective: "companion",
        data: wordings,
        companion_weight,
        max_steps: 8,
        learning_rate: 5e-3,
      }),
    );
    return readMetrics(join(scratch, out, "metrics.jsonl")).findLast((line) => "loss" in line)!.metrics!
      .companion!;
  };
  expect(await apart(3)).toBeLessThan(0.7 * (await apart(0.001)));
});

test("a larger weight keeps the model nearer", async () => {
  const keepOf = async (keep: number) => {
    const out = `keep ${keep}`;
    await fineTune(options(out, { keep, keep_text: neutral, max_steps: 8, learning_rate: 5e-3 }));
    return readMetrics(join(scratch, out, "metrics.jsonl")).at(-1)!.metrics!.keep!;
  };
  expect(await keepOf(3)).toBeLessThan(0.5 * (await keepOf(0.01)));
});

describe("prompts without answers", () => {
  const prompts = file(
    "prompts.jsonl",
    rows.map(({ question }) => ({ question })),
  );
  const more = {
    data: prompts,
    fields: { prompt: "question" },
    objective: "distill",
    teacher: model,
    method: "qlora",
    answer_tokens: 12,
  } as const;
  const answersOf = (folder: string) => readFileSync(join(folder, "answers.jsonl"), "utf8");

  test("are answered by the teacher, the same after an interruption", async () => {
    const { folder } = await fineTune(options("answered", more));
    const answers = answersOf(folder)
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(answers.map(({ question }) => question)).toEqual(rows.map(({ question }) => question));
    const base = await openModel(model);
    const ids = encodeChat(base.tokenizer, [{ role: "user", content: rows[3]!.question }]);
    const generator = createGenerator(base);
    const { text } = await generator.generate({ promptIds: ids, maxNewTokens: 12, temperature: 0 });
    await generator.close();
    expect(answers[3].completion).toBe(text);

    const interrupt = new AbortController();
    const parts = options("answered in parts", more);
    const onStage = (stage: string) => stage.startsWith("answers of the teacher: 8/") && interrupt.abort();
    await expect(fineTune(parts, { signal: interrupt.signal, onStage })).rejects.toThrow();
    expect(answersOf(parts.out).trim().split("\n")).toHaveLength(8);
    const { outcome } = await fineTune(parts);
    expect(outcome).toBe("finished");
    expect(answersOf(parts.out)).toBe(answersOf(folder));
  });

  test("keep their answers only for the same prompts", async () => {
    const out = join(scratch, "begun");
    const interrupt = new AbortController();
    const onStage = (stage: string) => stage.startsWith("answers of the teacher") && interrupt.abort();
    await expect(fineTune(options("begun", more), { signal: interrupt.signal, onStage })).rejects.toThrow();
    const changed = fineTune({ ...options("begun", more), answer_tokens: 13, out });
    await expect(changed).rejects.toThrow("(answer_tokens)");
  });

  test("need a teacher", async () => {
    const run = fineTune(options("unanswered", { data: prompts, fields: { prompt: "question" } }));
    await expect(run).rejects.toThrow("fit no known format");
  });
});

test("of an answer without weight nothing is distilled", async () => {
  const data = file(
    "weightless.jsonl",
    rows.map((row) => ({ ...row, weight: 0 })),
  );
  const more = { data, objective: "distill", teacher: model, method: "qlora", max_steps: 1 } as const;
  const { progress } = await fineTune(options("weightless", more));
  expect(progress.best?.eval_loss).toBe(0);
});

const refusals: [name: string, more: Partial<RunOptions>, message: string][] = [
  ["unpaired data under DPO", { objective: "dpo", data: unpaired }, "--objective kto"],
  ["pairs under KTO", { objective: "kto", data: pairs }, "label"],
  ["pairs under SFT", { data: pairs }, "--objective dpo"],
  ["single answers under KTO", { objective: "kto", data: unpaired, batch_size: 1 }, '"batch_size"'],
  ["a teacher with another vocabulary", { objective: "distill", teacher: stranger }, "another vocabulary"],
  ["no teacher", { objective: "distill" }, 'needs the option "teacher"'],
  [
    "a text that is too short",
    { keep: 1, keep_text: file("short.txt", []) },
    "has 0 tokens, fewer than the 128",
  ],
  ["a text of no use", { keep_text: neutral }, '"keep_text" is of no use while "keep" is 0'],
  [
    "no prompts",
    {
      keep: 1,
      data: file("plain.jsonl", [{ text: "Anna goes home." }, { text: "Tom too." }]),
      validation: 0,
    },
    'by "keep_text"',
  ],
  ["another objective's option", { beta: 0.5 }, '"beta" is an option of the objectives "dpo", "ipo"'],
  ["an unknown objective", { objective: "dop" as "dpo" }, 'did you mean "dpo"?'],
  ["a negative weight", { keep: -1 }, "it must be at least 0"],
  ["a weight that is no number", { keep: Number.NaN }, '"keep" is the number NaN'],
];

test.each(refusals)("%s is refused in a sentence", async (name, more, message) => {
  const run = fineTune(options(`refused ${name}`, more));
  await expect(run).rejects.toThrow(InputError);
  await expect(run).rejects.toThrow(message);
});
