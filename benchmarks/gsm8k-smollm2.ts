/**
 * @file Tunes SmolLM2-135M-Instruct on 1,000 GSM8K examples with LoRA and with QLoRA, and writes what came out:
 * `node build/benchmarks/gsm8k-smollm2.js`, with SLIMTUNE_SMOLLM2_GGUF and SLIMTUNE_DATA set (see CONTRIBUTING.md).
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { loadAdapter } from "../src/adapters/adapted-model.ts";
import { generate } from "../src/generation/generate.ts";
import { openModel } from "../src/models/open-model.ts";
import { fineTune } from "../src/training/fine-tune.ts";
import { readMetrics } from "../src/training/metrics-log.ts";

const modelPath = process.env.SLIMTUNE_SMOLLM2_GGUF;
const dataPath = process.env.SLIMTUNE_DATA;
if (!modelPath || !dataPath)
  throw new Error("Set SLIMTUNE_SMOLLM2_GGUF and SLIMTUNE_DATA; see CONTRIBUTING.md.");
const work = "runs/gsm8k-smollm2";
/** Examples trained on, those held out for the loss, and test questions that are answered. */
const trained = 1000;
const heldOut = 100;
const asked = 3;

const linesOf = (name: string) =>
  readFileSync(join(dataPath, "gsm8k", name), "utf8")
    .trim()
    .split("\n");
mkdirSync(work, { recursive: true });
const subset = join(work, "train.jsonl");
writeFileSync(
  subset,
  `${linesOf("train.jsonl")
    .slice(0, trained + heldOut)
    .join("\n")}\n`,
);
const questions = linesOf("test.jsonl")
  .slice(0, asked)
  .map((line): { question: string; answer: string } => JSON.parse(line));

async function answer(adapter?: { folder: string; storage: "float32" | "nf4" }): Promise<string[]> {
  const base = await openModel(modelPath!, { storage: adapter?.storage ?? "float32" });
  const model = adapter ? loadAdapter(base, adapter.folder) : base;
  const texts: string[] = [];
  for (const { question } of questions) texts.push(await generate(model, question, { maxNewTokens: 120 }));
  return texts;
}

const methods = (process.argv[2] ?? "lora,qlora").split(",") as ("lora" | "qlora")[];
for (const method of methods) {
  const out = join(work, method);
  rmSync(out, { recursive: true, force: true });
  const started = performance.now();
  let peakRssBytes = 0;
  const { progress } = await fineTune(
    {
      model: modelPath,
      data: subset,
      method,
      validation: heldOut,
      num_train_epochs: 1,
      eval_steps: 63,
      save_steps: 25,
      out,
    },
    {
      onStep(line, { tokens, seconds }) {
        peakRssBytes = line.peak_rss_bytes;
        process.stderr.write(
          `${method} step ${line.step} loss ${line.loss.toFixed(4)} ${(tokens / seconds).toFixed(0)} tokens/s\n`,
        );
      },
    },
  );
  const metrics = readMetrics(join(out, "metrics.jsonl"));
  const result = {
    method,
    date: new Date().toISOString().slice(0, 10),
    machine: `${availableParallelism()} cores of ${cpus()[0]!.model.trim()}, Node ${process.version}`,
    heldOutLoss: metrics.flatMap((line) =>
      "eval_loss" in line ? [{ step: line.step, loss: line.eval_loss }] : [],
    ),
    trainingLoss: metrics.flatMap((line) => ("loss" in line ? [line.loss] : [])),
    steps: progress.step,
    tokens: progress.tokens,
    trainedTokens: progress.trained_tokens,
    tokensPerSecond: progress.tokens / progress.seconds,
    minutes: (performance.now() - started) / 60_000,
    peakRssBytes,
  };
  writeFileSync(join(work, `${method}.json`), `${JSON.stringify(result, null, 2)}\n`);
}

const samples = {
  questions,
  base: await answer(),
  lora: await answer({ folder: join(work, "lora", "adapter"), storage: "float32" }),
  qlora: await answer({ folder: join(work, "qlora", "adapter"), storage: "nf4" }),
};
writeFileSync(join(work, "samples.json"), `${JSON.stringify(samples, null, 2)}\n`);
