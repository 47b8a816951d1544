/** @file `slimtune reason`: problems solved by several strategies, as curves of accuracy against tokens. */

import { type Command, Option } from "commander";
import type { CurvePoint } from "../reasoning/analysis.ts";
import { mostExamples } from "../reasoning/prompts.ts";
import {
  defaultSettings,
  type ReasoningEvents,
  type ReasoningOutcome,
  runReasoning,
} from "../reasoning/run-reasoning.ts";
import { parseStrategy, strategies } from "../reasoning/strategies/strategies.ts";
import { createCodeRunner } from "../sandbox/code-runner.ts";
import { parseList, parseNumber, parsePositive, parseWhole } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { formatDuration, note, print, withStatusLine } from "./output.ts";
import { addSandboxOption } from "./sandbox-option.ts";
import { addWeightOptions, addWriterOptions, readBits } from "./writing-options.ts";

export function addReasonCommand(program: Command): void {
  const command = program
    .command("reason")
    .description(
      "Solve problems by strategies that spend more or fewer tokens, and show the accuracy that each buys.",
    )
    .requiredOption(
      "--model <path or id>",
      "folder, .gguf file or Hub id, or a server: openai:http://127.0.0.1:8000/v1#name",
    )
    .option("--adapter <folder>", "adapter in PEFT's layout")
    .requiredOption("--tasks <names>", "tasks with written answers, such as gsm8k,svamp", parseList)
    .option("--task-file <yaml...>", "files of further tasks")
    .option("--data-dir <folder>", "folder with the datasets as files, in place of the Hub")
    .option("--limit <n>", "only the first n problems of each task", parseWhole(1))
    .option(
      "--strategies <names>",
      "of those below; the first is what the others are compared with",
      parseList,
      ["cot"],
    )
    .option("--max-tokens <n>", "the most tokens of a solution", parseWhole(1), defaultSettings.maxTokens)
    .option("--temperature <t>", "of samples", parsePositive, defaultSettings.temperature)
    .option("--top-p <p>", "of samples", parseNumber, defaultSettings.topP)
    .option("--instruction <text>", "stands under each question; empty for none", defaultSettings.instruction)
    .option(
      "--examples <n>",
      `solved examples before each question, up to ${mostExamples}`,
      parseWhole(0),
      defaultSettings.examples,
    )
    .option("--answer-cue <text>", "asks for the answer where thoughts are cut", defaultSettings.answerCue)
    .option(
      "--route-share <share>",
      "share of problems that route gives to the stronger model",
      parseNumber,
      0.3,
    )
    .addOption(
      new Option("--route-by <what>", "how route measures confidence")
        .choices(["votes", "logprob"])
        .default("votes"),
    )
    .requiredOption("--out <folder>", "folder of the run")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      `
Strategies:
${describeStrategies()}

Every text is kept as soon as it is written: the same command goes on after Ctrl-C, and further strategies use what is known.

Example:
  slimtune reason --model model.gguf --tasks gsm8k --limit 100 --strategies cot,cut:64,budget:64,sc:8,sc-early:8 --out runs/reason`,
    );
  addWriterOptions(command);
  addChatOptions(command);
  addSandboxOption(command);
  addWeightOptions(command);
  command.action(async ({ json, exact, bits, taskFile, plain, sandbox, verbose: _, ...options }) => {
    const runsCode = options.strategies.some((name: string) => parseStrategy(name, options).runsCode);
    const runner = runsCode ? await createCodeRunner({ runner: sandbox }) : undefined;
    const outcome = await withProgress(options.out, (events) =>
      runReasoning(
        {
          ...options,
          ...readBits({ exact, bits }),
          ...(taskFile && { taskFiles: taskFile }),
          ...(plain && { chat: false }),
          ...(runner && { runner }),
        },
        events,
      ),
    ).finally(() => runner?.close());
    const { folder, results, report } = outcome;
    print(json ? `${JSON.stringify({ folder, report, ...results })}\n` : `${toText(outcome)}\n`);
  });
}

function describeStrategies(): string {
  const entries = Object.values(strategies);
  const width = Math.max(...entries.map(({ usage }) => usage.length));
  return entries.map(({ usage, description }) => `  ${usage.padEnd(width)}  ${description}`).join("\n");
}

/** Runs with a progress line; Ctrl-C ends the process at once, since every text is already kept. */
async function withProgress<T>(folder: string, run: (events: ReasoningEvents) => Promise<T>): Promise<T> {
  let hint = "nothing was written yet";
  let started = performance.now();
  return withStatusLine(
    () => hint,
    (status) =>
      run({
        onStage: (stage) => status.update(stage),
        onPlan({ tasks }) {
          hint = `the texts so far are in ${folder}; give the same command again to go on`;
          started = performance.now();
          status.done();
          note(tasks.map(({ name, problems }) => `${name}: ${problems} problems`).join("; "));
        },
        onProgress({ strategy, solved, total, tokens }) {
          const speed = tokens / ((performance.now() - started) / 1000);
          status.update(`${strategy} ${solved}/${total}  ${speed.toFixed(0)} tokens/s`);
        },
      }),
  );
}

function toText({ folder, results, report }: ReasoningOutcome): string {
  return [
    ...results.curves.flatMap(({ task, points }) => [task, renderPoints(points), ""]),
    "A star marks what no other strategy beats in both accuracy and tokens. Intervals and comparisons are in the report.",
    `The report is in ${report.page}, all solutions are in ${folder}.`,
  ].join("\n");
}

function renderPoints(points: readonly CurvePoint[]): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const rows = [
    ["  strategy", "accuracy", "tokens", "prompt", "calls", "cut", "no answer", "time"],
    ...points.map(({ strategy, isOnFront, accuracy, tokens, usage, cut, unanswered }) => [
      `${isOnFront ? "*" : " "} ${strategy}`,
      percent(accuracy.value),
      tokens.value.toFixed(0),
      usage.promptTokens.toFixed(0),
      usage.calls.toFixed(1),
      percent(cut),
      percent(unanswered),
      formatDuration(usage.seconds),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  "),
    )
    .join("\n");
}
