/**
 * @file Tunes SmolLM2-135M-Instruct on 1,000 GSM8K examples with LoRA and with QLoRA, and writes what came out to
 * docs/results/: `npm run bench:gsm8k`, with SLIMTUNE_SMOLLM2_GGUF and SLIMTUNE_DATA set (see CONTRIBUTING.md). Each
 * part, named by the argument (lora, qlora or report), has a process of its own, so that its peak memory is its own.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { loadAdapter } from "../src/core/adapters/adapted-model.ts";
import { generate } from "../src/core/decoding/generate.ts";
import { openModel } from "../src/node/models/open-model.ts";
import { fineTune } from "../src/node/training/fine-tune.ts";
import { readMetrics } from "../src/node/training/metrics-log.ts";

const modelPath = process.env.SLIMTUNE_SMOLLM2_GGUF ?? "";
const dataPath = process.env.SLIMTUNE_DATA ?? "";
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
  const base = await openModel(modelPath, { storage: adapter?.storage ?? "float32" });
  const model = adapter ? loadAdapter(base, adapter.folder) : base;
  const texts: string[] = [];
  for (const { question } of questions) texts.push(await generate(model, question, { maxNewTokens: 120 }));
  return texts;
}

const part = process.argv[2];
if (part === "lora" || part === "qlora") await tune(part);
else await report();

async function tune(method: "lora" | "qlora"): Promise<void> {
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

async function report(): Promise<void> {
  const runs = (["lora", "qlora"] as const).map((method) =>
    JSON.parse(readFileSync(join(work, `${method}.json`), "utf8")),
  );
  const samples = {
    base: await answer(),
    lora: await answer({ folder: join(work, "lora", "adapter"), storage: "float32" }),
    qlora: await answer({ folder: join(work, "qlora", "adapter"), storage: "nf4" }),
  };
  mkdirSync("docs/results", { recursive: true });
  const path = "docs/results/gsm8k-smollm2";
  writeFileSync(
    `${path}.json`,
    `${JSON.stringify({ trained, heldOut, runs, questions, samples }, null, 1)}\n`,
  );

  const row = (run: (typeof runs)[number]) =>
    `| ${run.method} | ${run.heldOutLoss[0].loss.toFixed(4)} | ${run.heldOutLoss.at(-1).loss.toFixed(4)} | ${run.steps} | ${run.tokens} | ${run.tokensPerSecond.toFixed(0)} | ${run.minutes.toFixed(1)} min | ${(run.peakRssBytes / 1e6).toFixed(0)} MB |`;
  const quoted = (text: string) =>
    text
      .split("\n")
      .map((line) => `> ${line}`)
      .join("\n");
  const shown = questions.map(({ question, answer: expected }, i) =>
    [
      `### ${question}`,
      ...Object.entries({
        expected,
        "before tuning": samples.base[i]!,
        LoRA: samples.lora[i]!,
        QLoRA: samples.qlora[i]!,
      }).map(([name, text]) => `**${name}**\n\n${quoted(text)}`),
    ].join("\n\n"),
  );
  const [lora] = runs;
  writeFileSync(
    `${path}.md`,
    [
      "# SmolLM2-135M-Instruct on GSM8K",
      `The first ${trained + heldOut} examples of GSM8K's train split: ${trained} trained on for one epoch, ${heldOut} held out. Rank 16 on all linear layers, learning rate 2e-4, 8 examples a step; everything else as \`slimtune tune\` has it by default. ${lora.date}, ${lora.machine}. Command: \`npm run bench:gsm8k\`.`,
      "| method | held-out loss before | after | steps | tokens | tokens/s | wall time | peak RSS |\n|---|---|---|---|---|---|---|---|\n" +
        runs.map(row).join("\n"),
      "The loss is the mean negative log-likelihood of the answers' tokens, in nats. QLoRA's base is quantized to NF4 with double quantization, from weights that the GGUF file already holds in 4 bits (Q4_1). Both runs include loading the model, three evaluations and their checkpoints in the wall time.",
      "![losses](../images/gsm8k-smollm2.svg)",
      "## Answers to the first questions of the test split\n\nGreedy, at most 120 tokens. They show the style that was learned; a model of 135 million parameters rarely gets such problems right, and three answers measure nothing.",
      ...shown,
    ]
      .join("\n\n")
      .concat("\n"),
  );
}
