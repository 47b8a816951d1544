/**
 * @file Tunes a real model on GSM8K with LoRA and with QLoRA, and writes what came out to docs/results/:
 * `npm run bench:gsm8k -- smollm2` or `-- gemma3`, with the variable that names the model's file and SLIMTUNE_DATA set (see
 * CONTRIBUTING.md). Each part, named by the second argument (lora, qlora, speed or report), has a process of its own, so that its
 * peak memory is its own. Speed is measured by itself, in a few steps, since a run of an hour is seldom alone on its machine.
 */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { lora, loraConfigSchema } from "../src/core/adapters/lora.ts";
import { initializeParameters, zerosLike } from "../src/core/adapters/parameters.ts";
import { countParameters } from "../src/core/architectures/modules.ts";
import { buildMicroBatches } from "../src/core/data/batch.ts";
import { createEngine } from "../src/core/engine/engine.ts";
import type { Device } from "../src/core/runtime/device.ts";
import { loadAdapter } from "../src/node/adapters/load-adapter.ts";
import { loadDataset } from "../src/node/data/load-dataset.ts";
import { generate } from "../src/node/decoding/generate.ts";
import { openModel } from "../src/node/models/open-model.ts";
import { openDevice } from "../src/node/runtime/onnx-runtime.ts";
import { fineTune } from "../src/node/training/fine-tune.ts";
import { readMetrics } from "../src/node/training/metrics-log.ts";

const models = {
  smollm2: {
    title: "SmolLM2-135M-Instruct",
    path: process.env.SLIMTUNE_SMOLLM2_GGUF,
    trained: 1000,
    stored: "the GGUF file already holds in 4 bits (Q4_1)",
    caution:
      "a model of 135 million parameters rarely gets such problems right, and three answers measure nothing",
  },
  gemma3: {
    title: "Gemma 3 270M",
    path: process.env.SLIMTUNE_GEMMA3_GGUF,
    trained: 500,
    stored: "the GGUF file already holds in 4 to 8 bits (Q4_K_M)",
    caution:
      "a base model of 270 million parameters rarely gets such problems right, and three answers measure nothing",
  },
} as const;

const [name, part] = process.argv.slice(2) as [keyof typeof models, string | undefined];
const dataPath = process.env.SLIMTUNE_DATA ?? "";
const { title, path: modelPath = "", trained, stored, caution } = models[name];
if (!modelPath || !dataPath)
  throw new Error("Set the model's variable and SLIMTUNE_DATA; see CONTRIBUTING.md.");
const work = `runs/gsm8k-${name}`;
/** Examples held out for the loss, and test questions that are answered. */
const heldOut = 100;
const asked = 3;

const date = new Date().toISOString().slice(0, 10);
const machine = `${availableParallelism()} cores of ${cpus()[0]!.model.trim()}, Node ${process.version}`;

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
  const model = adapter ? await loadAdapter(base, adapter.folder) : base;
  const texts: string[] = [];
  for (const { question } of questions) texts.push(await generate(model, question, { maxNewTokens: 120 }));
  return texts;
}

const methods = ["lora", "qlora"] as const;
type Method = (typeof methods)[number];

if (part === "lora" || part === "qlora") await tune(part);
else if (part === "speed") await measureSpeed();
else await report();

async function tune(method: Method): Promise<void> {
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
      eval_steps: Math.ceil(trained / 8 / 2),
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
    date,
    machine,
    heldOutLoss: metrics.flatMap((line) =>
      "eval_loss" in line ? [{ step: line.step, loss: line.eval_loss }] : [],
    ),
    trainingLoss: metrics.flatMap((line) => ("loss" in line ? [line.loss] : [])),
    steps: progress.step,
    tokens: progress.tokens,
    trainedTokens: progress.trained_tokens,
    minutes: (performance.now() - started) / 60_000,
    peakRssBytes,
  };
  writeFileSync(join(work, `${method}.json`), `${JSON.stringify(result, null, 2)}\n`);
}

/** Steps of each method in turns on the same examples, and what the output layer takes of them. */
async function measureSpeed(): Promise<void> {
  const rounds = 5;
  const steps = await Promise.all(methods.map(createStep));
  for (const step of steps) await step.run();
  const seconds = methods.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, step] of steps.entries()) {
      const started = performance.now();
      await step.run();
      seconds[index]!.push((performance.now() - started) / 1000);
    }
  }
  const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(rounds / 2)]!;
  const speed = methods.map((method, index) => ({
    method,
    tokensPerSecond: steps[index]!.tokens / median(seconds[index]!),
    outputLayerShare: steps[index]!.outputLayerShare(),
    vocabularyShare: steps[index]!.vocabularyShare,
  }));
  writeFileSync(join(work, "speed.json"), `${JSON.stringify({ machine, date, speed }, null, 2)}\n`);
}

/** One step of 8 examples as `tune` would compute it, on a device that tells the output layer's time apart. */
async function createStep(method: Method) {
  const model = await openModel(modelPath, { storage: method === "lora" ? "float32" : "nf4" });
  const { config, weights, tokenizer } = model;
  const { examples, report } = await loadDataset(subset, { tokenizer, context: 2048, limit: 8 });
  const texts = examples.flatMap((example) => example.texts);
  const batches = buildMicroBatches(texts, { microBatchTokens: 512, packing: true });
  const adaptation = lora(loraConfigSchema.parse({}), config);
  const parameters = await initializeParameters(config, adaptation, weights, 0);
  const gradients = zerosLike(parameters);
  const spent = { all: 0, outputLayer: 0 };
  const engine = createEngine(timed(openDevice("cpu"), spent), config, weights, adaptation, {
    segmentSize: 1,
  });
  const labels = batches.reduce((sum, batch) => sum + batch.labels.length, 0);
  return {
    tokens: report.tokens,
    vocabularyShare: (config.vocabSize * config.hiddenSize) / countParameters(config),
    outputLayerShare: () => spent.outputLayer / spent.all,
    async run() {
      for (const batch of batches)
        await engine.accumulate(batch, parameters, gradients, { weights: 1 / labels });
    },
  };
}

/** A device whose programs' seconds are summed up: all, and those over the vocabulary. */
function timed(device: Device, spent: { all: number; outputLayer: number }): Device {
  return {
    ...device,
    async compile(outputs) {
      const program = await device.compile(outputs);
      const isOutputLayer = "largest" in outputs || "loss" in outputs || "normalized" in outputs;
      return {
        ...program,
        async run(inputs) {
          const started = performance.now();
          const results = await program.run(inputs);
          const seconds = (performance.now() - started) / 1000;
          spent.all += seconds;
          if (isOutputLayer) spent.outputLayer += seconds;
          return results;
        },
      };
    },
  };
}

async function report(): Promise<void> {
  const runs = methods.map((method) => JSON.parse(readFileSync(join(work, `${method}.json`), "utf8")));
  const measured = JSON.parse(readFileSync(join(work, "speed.json"), "utf8"));
  const samples = {
    base: await answer(),
    lora: await answer({ folder: join(work, "lora", "adapter"), storage: "float32" }),
    qlora: await answer({ folder: join(work, "qlora", "adapter"), storage: "nf4" }),
  };
  mkdirSync("docs/results", { recursive: true });
  const path = `docs/results/gsm8k-${name}`;
  writeFileSync(
    `${path}.json`,
    `${JSON.stringify({ trained, heldOut, runs, ...measured, questions, samples }, null, 1)}\n`,
  );

  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  const row = (run: (typeof runs)[number], index: number) => {
    const { tokensPerSecond, outputLayerShare } = measured.speed[index];
    return `| ${run.method} | ${run.heldOutLoss[0].loss.toFixed(4)} | ${run.heldOutLoss.at(-1).loss.toFixed(4)} | ${run.steps} | ${run.tokens} | ${tokensPerSecond.toFixed(0)} | ${percent(outputLayerShare)} | ${(run.peakRssBytes / 1e6).toFixed(0)} MB |`;
  };
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
  const [first] = runs;
  writeFileSync(
    `${path}.md`,
    [
      `# ${title} on GSM8K`,
      `The first ${trained + heldOut} examples of GSM8K's train split: ${trained} trained on for one epoch, ${heldOut} held out. Rank 16 on all linear layers, learning rate 2e-4, 8 examples a step; everything else as \`slimtune tune\` has it by default. ${first.date}, ${first.machine}. Command: \`npm run bench:gsm8k -- ${name}\`.`,
      "| method | held-out loss before | after | steps | tokens | tokens/s | of which output layer | peak RSS |\n|---|---|---|---|---|---|---|---|\n" +
        runs.map(row).join("\n"),
      `The loss is the mean negative log-likelihood of the answers' tokens, in nats. QLoRA's base is quantized to NF4 with double quantization, from weights that ${stored}. Tokens/s and the share of the output layer are those of steps of 8 examples, block by block, both methods in turns (medians, ${measured.date}, ${measured.machine}). The vocabulary of the embedding and the output layer is ${percent(measured.speed[0].vocabularyShare)} of the model's parameters.`,
      ...(existsSync(`docs/images/gsm8k-${name}.svg`) ? [`![losses](../images/gsm8k-${name}.svg)`] : []),
      `## Answers to the first questions of the test split\n\nGreedy, at most 120 tokens. They show the style that was learned; ${caution}.`,
      ...shown,
    ]
      .join("\n\n")
      .concat("\n"),
  );
}
