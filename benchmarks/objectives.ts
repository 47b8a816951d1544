/**
 * @file `npm run bench:objectives`: what a step of DPO, distillation and keep costs beside one of supervised tuning on the same texts,
 * what one of GRPO takes and which share of it is writing, and how much memory they take beside what `estimate` says. Runs of some steps,
 * each in a process of its own, in turns.
 *
 * Needs SLIMTUNE_SMOLLM2_GGUF. Arguments: rounds (default 3); or "run", a case and a folder, for one run.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { estimate, fineTune, openRun, type RunOptions } from "../src/index.ts";
import { date, machine, median, note, printTable, runJson, script, writeResults } from "./measuring.ts";

const model = process.env.SLIMTUNE_SMOLLM2_GGUF;
if (!model) throw new Error("Set SLIMTUNE_SMOLLM2_GGUF (see CONTRIBUTING.md).");

/** Steps of a run, of which the first ones compile programs and are not counted. */
const steps = 6;
const warmUp = 2;

const blockwise = { segment_size: 1 };
const cases: Record<
  string,
  { readonly data: "texts" | "pairs" | "prompts"; readonly options: Partial<RunOptions> }
> = {
  SFT: { data: "texts", options: {} },
  DPO: { data: "pairs", options: { objective: "dpo" } },
  "keep, on a text": { data: "texts", options: { keep: 0.1, keep_text: "text" } },
  "keep, on prompts": { data: "texts", options: { keep: 0.1 } },
  "SFT, block by block": { data: "texts", options: blockwise },
  "DPO, block by block": { data: "pairs", options: { objective: "dpo", ...blockwise } },
  "keep, block by block": { data: "texts", options: { keep: 0.1, keep_text: "text", ...blockwise } },
  "distill, block by block": {
    data: "texts",
    options: { objective: "distill", teacher: model, ...blockwise },
  },
  "GRPO, 2 × 8 answers of 100 tokens": {
    data: "prompts",
    // Answers that end early are as good as others, so that groups differ.
    options: { objective: "grpo", batch_size: 2, max_completion_length: 100, reward: ["length:1"] },
  },
};

/** Pairs of answers of about 100 tokens to questions of about 50, and the same answers one by one. */
function writeData(folder: string): void {
  const words = readFileSync("fixtures/miniature/math-train.jsonl", "utf8").split(/[^A-Za-z]+/);
  const write = (start: number, count: number) =>
    Array.from({ length: count }, (_, i) => words[(start + 7 * i) % words.length]).join(" ");
  const pairs = Array.from({ length: 40 }, (_, i) => ({
    prompt: write(100 * i, 40),
    chosen: write(100 * i + 1, 80),
    rejected: write(100 * i + 2, 80),
  }));
  const texts = pairs.flatMap(({ prompt, chosen, rejected }) => [
    { prompt, completion: chosen },
    { prompt, completion: rejected },
  ]);
  const toLines = (rows: readonly object[]) => rows.map((row) => JSON.stringify(row)).join("\n");
  const prompts = pairs.map(({ prompt }) => ({ prompt: `Tell me about ${prompt}.`, answer: "0" }));
  writeFileSync(join(folder, "pairs.jsonl"), toLines(pairs));
  writeFileSync(join(folder, "prompts.jsonl"), toLines(prompts));
  writeFileSync(join(folder, "texts.jsonl"), toLines(texts));
  writeFileSync(join(folder, "text"), write(3, 4000));
}

function optionsOf(name: string, folder: string): RunOptions {
  const { data, options } = cases[name]!;
  return {
    model: model!,
    data: join(folder, `${data}.jsonl`),
    // The same texts for all: a pair is two of them.
    batch_size: data === "pairs" ? 2 : 4,
    max_steps: steps,
    ...(data !== "prompts" && { validation: 0 }),
    ...options,
    ...(options.keep_text !== undefined && { keep_text: join(folder, options.keep_text) }),
    out: join(folder, "run"),
  };
}

interface Measured {
  readonly seconds: number;
  readonly peakBytes: number;
  /** Of GRPO: of a step's seconds those in which answers are written, and at which rate. */
  readonly writing?: { readonly seconds: number; readonly tokensPerSecond: number };
}

const [first, name, folder] = process.argv.slice(2);
if (first === "run") {
  const options = optionsOf(name!, folder!);
  rmSync(options.out, { recursive: true, force: true });
  await fineTune(options);
  const lines = openRun(options.out).metrics.filter((line) => "loss" in line);
  const counted = lines.slice(warmUp);
  const medianOf = (metric: string) => median(counted.map(({ metrics }) => metrics![metric]!));
  const measured: Measured = {
    seconds: median(counted.map((line) => line.seconds)),
    peakBytes: lines.at(-1)!.peak_rss_bytes,
    ...(options.objective === "grpo" && {
      writing: {
        seconds: medianOf("rollout_seconds"),
        tokensPerSecond: medianOf("rollout_tokens_per_second"),
      },
    }),
  };
  console.log(JSON.stringify(measured));
} else {
  const rounds = Number(first ?? 3);
  const scratch = mkdtempSync(join(tmpdir(), "slimtune-bench-objectives-"));
  writeData(scratch);
  const measured = new Map<string, Measured[]>(Object.keys(cases).map((each) => [each, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const [each, results] of measured) {
      note(`round ${round}: ${each}`);
      results.push(runJson<Measured>(process.execPath, [script("objectives.js"), "run", each, scratch]));
    }
  }
  const results = [];
  for (const [each, runs] of measured) {
    const baseline = measured.get(each.endsWith("block by block") ? "SFT, block by block" : "SFT")!;
    const { chosen } = await estimate(optionsOf(each, scratch));
    results.push({
      name: each,
      seconds: median(runs.map(({ seconds }) => seconds)),
      ratio: median(runs.map(({ seconds }, i) => seconds / baseline[i]!.seconds)),
      peakBytes: median(runs.map(({ peakBytes }) => peakBytes)),
      estimatedBytes: chosen.peakBytes,
      ...(runs[0]!.writing && {
        writing: {
          share: median(runs.map(({ writing, seconds }) => writing!.seconds / seconds)),
          tokensPerSecond: median(runs.map(({ writing }) => writing!.tokensPerSecond)),
        },
      }),
    });
  }
  rmSync(scratch, { recursive: true });
  writeResults("objectives", { rounds, results });
  console.log(`${date}, ${machine}, medians of ${rounds} rounds\n`);
  printTable(
    ["step", "seconds", "to SFT's", "peak RSS", "estimated", "writing"],
    results.map(({ name: each, seconds, ratio, peakBytes, estimatedBytes, writing }) => [
      each,
      seconds.toFixed(2),
      `${ratio.toFixed(2)} ×`,
      `${(peakBytes / 1e9).toFixed(2)} GB`,
      `${(estimatedBytes / 1e9).toFixed(2)} GB`,
      writing ? `${(100 * writing.share).toFixed(0)} %, ${writing.tokensPerSecond.toFixed(0)} tokens/s` : "–",
    ]),
  );
}
