/** @file `npm run quickstart`: tunes the embedded model with LoRA and with QLoRA, and shows before and after. */

import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { stdout } from "node:process";
import { fileURLToPath } from "node:url";
import type { AdaptedModel } from "../adapters/adapted-model.ts";
import { createGenerator } from "../generation/batch-generator.ts";
import { continueText } from "../generation/generate.ts";
import { openModel } from "../models/open-model.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { fineTune } from "../training/fine-tune.ts";
import { measureLoss } from "../training/held-out-loss.ts";
import { createStatusLine, formatDuration } from "./output.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const modelPath = join(root, "fixtures/embedded-model");
const trainingPath = join(root, "fixtures/miniature/math-train.jsonl");
const heldOutPath = join(root, "fixtures/miniature/math-held-out.jsonl");
const runs = join("runs", "quickstart");
/** Held-out questions that are answered, and how many of the answers are shown. */
const questionCount = 50;
const shownCount = 3;

interface Question {
  readonly question: string;
  readonly answer: string;
}

interface Measured {
  readonly loss: number;
  readonly correct: number;
  readonly answers: readonly string[];
}

const device = openDevice("cpu");
const status = createStatusLine();
const questions = readFileSync(heldOutPath, "utf8")
  .trim()
  .split("\n")
  .slice(0, questionCount)
  .map((line): Question => JSON.parse(line));

/** What stands after the "####" of an answer. */
function finalAnswer(text: string): string | undefined {
  return /####\s*(.+?)\s*$/.exec(text)?.[1];
}

async function measure(model: AdaptedModel): Promise<Measured> {
  const loss = await measureLoss(device, model, heldOutPath);
  const generator = createGenerator(model, { batchSize: questions.length, device });
  let answered = 0;
  const answers = await Promise.all(
    questions.map(async ({ question }) => {
      const answer = await continueText(generator, model, question, { maxNewTokens: 60 });
      status.update(`answering held-out questions: ${++answered}/${questions.length}`);
      return answer;
    }),
  );
  await generator.close();
  status.done();
  const correct = questions.filter(
    ({ answer }, i) => finalAnswer(answers[i]!) === finalAnswer(answer),
  ).length;
  return { loss, correct, answers };
}

const started = performance.now();
stdout.write(
  "The embedded model (1.1 million parameters, trained by this project) is tuned on 600 generated word problems\nand asked 50 others, in other words and with other numbers.\n\n",
);
const before = await measure(await openModel(modelPath));
rmSync(runs, { recursive: true, force: true });
const rows: string[][] = [["", "held-out loss", "correct", "trained", "tokens/s", "time"]];
const describe = ({ loss, correct }: Measured) => [loss.toFixed(3), `${correct} of ${questions.length}`];
rows.push(["before", ...describe(before), "", "", ""]);
const after: [name: string, measured: Measured][] = [];
for (const method of ["lora", "qlora"] as const) {
  let trained = "";
  const from = performance.now();
  const { progress, model } = await fineTune(
    {
      model: modelPath,
      data: trainingPath,
      method,
      lora: { r: 16, lora_alpha: 32 },
      learning_rate: 1e-2,
      lr_scheduler_type: "linear",
      warmup_ratio: 0.05,
      batch_size: 16,
      num_train_epochs: 6,
      validation: 0,
      save_steps: 100,
      out: join(runs, method),
    },
    {
      onPlan: ({ trainableParameters }) => {
        trained = `${trainableParameters.toLocaleString("en")}`;
      },
      onStep(line, { tokens, seconds }) {
        status.update(
          `${method}: step ${line.step}  loss ${line.loss.toFixed(3)}  ${(tokens / seconds).toFixed(0)} tokens/s`,
        );
      },
    },
  );
  status.done();
  const seconds = (performance.now() - from) / 1000;
  const measured = await measure(model);
  after.push([method, measured]);
  const speed = (progress.tokens / progress.seconds).toFixed(0);
  rows.push([method, ...describe(measured), trained, speed, formatDuration(seconds)]);
}

const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
for (const row of rows)
  stdout.write(
    `${row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd()}\n`,
  );
for (const [index, { question, answer }] of questions.slice(0, shownCount).entries()) {
  stdout.write(`\nQuestion: ${question}\n`);
  const oneLine = (text: string) => text.replaceAll("\n", " / ");
  stdout.write(`  expected  ${oneLine(answer)}\n  before    ${oneLine(before.answers[index]!)}\n`);
  for (const [name, { answers }] of after) stdout.write(`  ${name.padEnd(8)}  ${oneLine(answers[index]!)}\n`);
}
stdout.write(
  `\nDone in ${formatDuration((performance.now() - started) / 1000)}. The adapters are in ${join(runs, "lora", "adapter")} and ${join(runs, "qlora", "adapter")} (PEFT's layout).\n`,
);
