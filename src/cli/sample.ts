/** @file `slimtune sample`: solutions that a model writes itself, judged, with their tokens. */

import type { Command } from "commander";
import { mostExamples } from "../reasoning/prompts.ts";
import { defaultSettings } from "../reasoning/run-reasoning.ts";
import { type SamplingEvents, type SamplingOutcome, sampleSolutions } from "../rollouts/sample-solutions.ts";
import type { Estimate } from "../statistics/wilson.ts";
import { parseNumber, parseWhole } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { formatDuration, print, whileAsking } from "./output.ts";
import { addWeightOptions, addWriterOptions, readBits } from "./writing-options.ts";

export function addSampleCommand(program: Command): void {
  const command = program
    .command("sample")
    .description("Sample solutions of problems and judge them, for `slimtune select`.")
    .requiredOption(
      "--model <path or id>",
      "folder, .gguf file or Hub id, or a server: openai:http://127.0.0.1:8000/v1#name",
    )
    .option("--adapter <folder>", "adapter in PEFT's layout")
    .requiredOption(
      "--data <split, path or id>",
      "a task's split such as gsm8k:train, or a file or Hub id of rows with question and answer",
    )
    .option("--data-dir <folder>", "folder with the tasks' datasets as files, in place of the Hub")
    .option("--limit <n>", "only the first n problems", parseWhole(1))
    .option("--n <n>", "solutions of each problem", parseWhole(1), 8)
    .option("--temperature <t>", "0 takes the likeliest token; higher is more varied", parseNumber, 1)
    .option("--top-p <p>", "draw from the likeliest tokens of this total probability", parseNumber, 1)
    .option("--max-new-tokens <n>", "longest solution in tokens", parseWhole(1), 256)
    .option("--instruction <text>", "stands under each question; empty for none", defaultSettings.instruction)
    .option("--examples <n>", `solved examples before each question, up to ${mostExamples}`, parseWhole(0), 0)
    .requiredOption("--out <folder>", "folder of the rollouts")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      `
Every solution is kept as soon as it is written: the same command goes on after Ctrl-C.

Example:
  slimtune sample --model model.gguf --data gsm8k:train --limit 500 --n 8 --out rollouts
  slimtune select rollouts --rule shortest-correct --out short.jsonl`,
    );
  addWriterOptions(command);
  addChatOptions(command);
  addWeightOptions(command);
  command.action(async ({ json, exact, bits, plain, verbose: _, ...options }) => {
    const outcome = await withProgress(options.out, (events) =>
      sampleSolutions({ ...options, ...readBits({ exact, bits }), ...(plain && { chat: false }) }, events),
    );
    const { folder, settings, summary } = outcome;
    print(json ? `${JSON.stringify({ folder, settings, ...summary })}\n` : `${toText(outcome)}\n`);
  });
}

/** Runs with a progress line; Ctrl-C ends the process at once, since every solution is already kept. */
async function withProgress<T>(folder: string, run: (events: SamplingEvents) => Promise<T>): Promise<T> {
  let first: number | undefined;
  return whileAsking(folder, "solutions", (line) =>
    run({
      onStage: line.update,
      onPlan: ({ problems, n, known }) =>
        line.begin(
          `${n} solutions of each of ${problems} problems${known > 0 ? `; ${known} were known from before` : ""}`,
        ),
      onProgress({ written, total, correct, tokens }) {
        first ??= written;
        const left = ((total - written) * line.seconds()) / (written - first + 1);
        const share = ((100 * correct) / written).toFixed(1);
        const speed = (tokens / line.seconds()).toFixed(0);
        line.update(`${written}/${total}  ${share} % right  ${speed} tokens/s  ${formatDuration(left)} left`);
      },
    }),
  );
}

function toText({ folder, settings, summary }: SamplingOutcome): string {
  const { problems, samples, accuracy, anyCorrect, mixed, tokens, truncated, withoutAnswer } = summary;
  const mean = (value: number | null) => (value === null ? "none" : value.toFixed(1));
  return [
    `${samples} solutions of ${problems} problems`,
    `  right                   ${formatShare(accuracy)}`,
    `  any of ${String(settings.n).padEnd(2)} right         ${formatShare(anyCorrect)}`,
    `  some right, some wrong  ${percent(mixed)} of the problems`,
    `  tokens                  ${mean(tokens.all)} (right ones ${mean(tokens.correct)}, wrong ones ${mean(tokens.wrong)})`,
    `  cut at ${String(settings.maxNewTokens).padEnd(4)} tokens      ${percent(truncated)}`,
    `  without an answer       ${percent(withoutAnswer)}`,
    `They are in ${folder}.`,
  ].join("\n");
}

function formatShare({ value, low, high }: Estimate): string {
  return `${percent(value)} (${percent(low)} to ${percent(high)})`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
