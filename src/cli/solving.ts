/** @file What the commands that solve problems by strategies have in common: options, progress, and what is printed. */

import { type Command, Option } from "commander";
import { InputError } from "../core/errors.ts";
import { processRewardModel } from "../prm/process-reward-model.ts";
import type { CurvePoint } from "../reasoning/analysis.ts";
import { mostExamples } from "../reasoning/prompts.ts";
import {
  defaultSettings,
  type ReasoningEvents,
  type ReasoningOptions,
  type ReasoningOutcome,
  runReasoning,
} from "../reasoning/run-reasoning.ts";
import { ruleNames } from "../reasoning/scorer.ts";
import { parseStrategy, strategies } from "../reasoning/strategies/strategies.ts";
import { type CodeRunnerOptions, createCodeRunner } from "../sandbox/code-runner.ts";
import { parseList, parseNumber, parsePositive, parseWhole } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { formatDuration, print, whileAsking } from "./output.ts";
import { addSandboxOption } from "./sandbox-option.ts";
import { addWeightOptions, addWriterOptions, readBits } from "./writing-options.ts";

/** Adds the options of {@link solve}. */
export function addSolvingOptions(command: Command): Command {
  command
    .requiredOption(
      "--model <path or id>",
      "folder, .gguf file or Hub id, or a server: openai:http://127.0.0.1:8000/v1#name",
    )
    .option("--adapter <folder>", "adapter in PEFT's layout")
    .requiredOption("--tasks <names>", "tasks with written answers, such as gsm8k,svamp", parseList)
    .option("--task-file <yaml...>", "files of further tasks")
    .option("--data-dir <folder>", "folder with the datasets as files, in place of the Hub")
    .option("--limit <n>", "only the first n problems of each task", parseWhole(1))
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
    .addOption(
      new Option("--scorer <rule>", "what scores the steps of a solution, where a strategy asks")
        .choices(ruleNames)
        .default("equations"),
    )
    .addOption(
      new Option(
        "--prm <folder>",
        "a process reward model scores them: its adapter on --model, or its run",
      ).conflicts("scorer"),
    )
    .option("--prm-model <path or id>", "the model that it adapts, if that is not --model")
    .option(
      "--step-tokens <n>",
      "the most tokens of a step in searches, a line",
      parseWhole(1),
      defaultSettings.stepTokens,
    )
    .option("--max-steps <n>", "the most steps of a solution there", parseWhole(1), defaultSettings.maxSteps)
    .option("--answer-cue <text>", "asks for the answer where thoughts are cut", defaultSettings.answerCue)
    .requiredOption("--out <folder>", "folder of the run")
    .option("--json", "print one JSON object instead of text");
  addWriterOptions(command);
  addChatOptions(command);
  addSandboxOption(command);
  addWeightOptions(command);
  return command;
}

/** What the options of {@link addSolvingOptions} say. */
export interface SolvingOptions extends Omit<ReasoningOptions, "bits" | "chat" | "runner" | "strategies"> {
  readonly strategies: readonly string[];
  readonly prm?: string;
  readonly prmModel?: string;
  readonly json?: boolean;
  readonly exact?: boolean;
  readonly bits?: string;
  readonly taskFile?: readonly string[];
  readonly plain?: boolean;
  readonly sandbox: NonNullable<CodeRunnerOptions["runner"]>;
}

/** Solves the problems and prints what was found. */
export async function solve(given: SolvingOptions): Promise<void> {
  const { json, exact, bits, taskFile, plain, sandbox, prm, prmModel, ...options } = given;
  if (prmModel !== undefined && prm === undefined)
    throw new InputError("--prm-model names the base of a process reward model; name that by --prm too.");
  const { storage, date } = options;
  const scoring = {
    ...(prmModel !== undefined && { model: prmModel }),
    ...(storage && { storage }),
    ...(date !== undefined && { date }),
  };
  const runsCode = options.strategies.some((name) => parseStrategy(name, options).runsCode);
  const runner = runsCode ? await createCodeRunner({ runner: sandbox }) : undefined;
  const outcome = await withProgress(options.out, (events) =>
    runReasoning(
      {
        ...options,
        ...(prm !== undefined && { scorer: processRewardModel(prm, scoring) }),
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
}

/** The strategies of these words, or all, as lines of help. */
export function describeStrategies(words: readonly string[] = Object.keys(strategies)): string {
  const entries = words.map((word) => strategies[word]!);
  const width = Math.max(...entries.map(({ usage }) => usage.length));
  return entries.map(({ usage, description }) => `  ${usage.padEnd(width)}  ${description}`).join("\n");
}

/** Runs with a progress line; Ctrl-C ends the process at once, since every text is already kept. */
async function withProgress<T>(folder: string, run: (events: ReasoningEvents) => Promise<T>): Promise<T> {
  return whileAsking(folder, "texts", (line) =>
    run({
      onStage: line.update,
      onPlan: ({ tasks }) =>
        line.begin(tasks.map(({ name, problems }) => `${name}: ${problems} problems`).join("; ")),
      onProgress: ({ strategy, solved, total, tokens }) =>
        line.update(`${strategy} ${solved}/${total}  ${(tokens / line.seconds()).toFixed(0)} tokens/s`),
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
