/** @file `slimtune demos`: demonstrations chosen in several ways, and what they bring and cost. */

import { type Command, InvalidArgumentError, Option } from "commander";
import { lms3Compats } from "../demonstrations/lms3.ts";
import { type ArmScore, type DemonstrationTask, nameArm } from "../demonstrations/results.ts";
import { type SelectorName, selectorKinds } from "../demonstrations/selectors.ts";
import {
  type DemonstrationOutcome,
  type DemonstrationStudyEvents,
  studyDemonstrations,
} from "../demonstrations/study-demonstrations.ts";
import { parseList, parseNumber, parseWhole, parseWholes } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { formatDuration, print, whileAsking } from "./output.ts";
import { addWeightOptions, readBits } from "./writing-options.ts";

const scores = ["answers", "bits"];

export function addDemosCommand(program: Command): void {
  const width = Math.max(...Object.keys(selectorKinds).map((name) => name.length));
  const selections = Object.entries(selectorKinds).map(
    ([name, { description }]) => `  ${name.padEnd(width)}  ${description}`,
  );
  const command = program
    .command("demos")
    .description(
      "Choose the solved examples before each question in several ways, and show what they bring and cost.",
    )
    .requiredOption(
      "--model <path or id>",
      "what is asked: folder, .gguf file or Hub id, or a server: openai:http://127.0.0.1:8000/v1#name",
    )
    .option("--adapter <folder>", "adapter in PEFT's layout")
    .requiredOption(
      "--pool <split, path or id>",
      "what is chosen from: a task's split such as gsm8k:train or gsm8k:train[:1000], or a file or Hub id of rows with the fields of the tasks",
    )
    .requiredOption("--tasks <names>", "tasks and groups, such as gsm8k,svamp", parseList)
    .option("--task-file <yaml...>", "files of further tasks")
    .option("--data-dir <folder>", "folder with the datasets as files, in place of the Hub")
    .option("--limit <n>", "only the first n items of each task", parseWhole(1))
    .requiredOption("--select <names>", "of those below", parseList)
    .option("--k <n,n,…>", "numbers of demonstrations", parseWholes, [1])
    .option("--seeds <n>", "draws of random", parseWhole(1), 5)
    .option("--lms3-lambda <share>", "share of the pool that counts as similar for lms3", parseNumber, 0.01)
    .addOption(
      new Option(
        "--lms3-compat <what>",
        "follow the paper's formulas, or the published code where it differs",
      )
        .choices(lms3Compats)
        .default("paper"),
    )
    .option("--choose-by-model <path or id>", "what reads texts to choose, in place of --model")
    .option(
      "--score <what>",
      "answers (written, and judged), bits (of the right answers), or both; default: what the model can",
      parseScores,
    )
    .option("--apply-chat-template", "ask in the model's chat template, with demonstrations as turns")
    .option("--batch-size <n>", "texts written at a time, or requests under way at a server", parseWhole(1))
    .requiredOption("--out <folder>", "folder of the study")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      `
Selections:
${selections.join("\n")}

Every answer is kept as soon as it is known: the same command goes on after Ctrl-C, and further selections use what is known.

Example:
  slimtune demos --model model.gguf --pool gsm8k:train --tasks gsm8k --limit 100 --select random,bm25,knn,lms3 --k 1,4 --score bits --out runs/demos`,
    );
  addChatOptions(command);
  addWeightOptions(command);
  command.action(async ({ json, exact, bits, taskFile, select, verbose: _, ...options }) => {
    const outcome = await withProgress(options.out, (events) =>
      studyDemonstrations(
        {
          ...options,
          select: select as SelectorName[],
          ...readBits({ exact, bits }),
          ...(taskFile && { taskFiles: taskFile }),
        },
        events,
      ),
    );
    const { folder, results, report } = outcome;
    print(json ? `${JSON.stringify({ folder, report, ...results })}\n` : `${toText(outcome)}\n`);
  });
}

/** Runs with a progress line; Ctrl-C ends the process at once, since every answer is already kept. */
async function withProgress<T>(
  folder: string,
  run: (events: DemonstrationStudyEvents) => Promise<T>,
): Promise<T> {
  let first: number | undefined;
  return whileAsking(folder, "answers", (line) =>
    run({
      onStage: line.update,
      onPlan: ({ requests }) => line.begin(`${requests} requests`),
      onProgress({ score, answered, total, tokens }) {
        first ??= answered;
        const left = ((total - answered) * line.seconds()) / (answered - first + 1);
        const speed = (tokens / line.seconds()).toFixed(0);
        line.update(`${score} ${answered}/${total}  ${speed} tokens/s  ${formatDuration(left)} left`);
      },
    }),
  );
}

function toText({ folder, results, report }: DemonstrationOutcome): string {
  return [
    ...results.tasks.flatMap((task) => [...renderTask(task), ""]),
    "+ and - mark what is shown to be better or worse than zero-shot, and than as many random ones (p by Holm's method). Intervals are in the report.",
    `The report is in ${report.page}; what was chosen for whom is in ${folder}.`,
  ].join("\n");
}

function renderTask({ task, arms, contaminated, checkedItems }: DemonstrationTask): string[] {
  const rows = [
    ["  selection", ...arms[0]!.scores.map(({ score }) => score), "rejected", "tokens", "own"],
    ...arms.map((arm) => [
      `  ${nameArm(arm)}`,
      ...arm.scores.map(renderScore),
      `${(100 * arm.rejected).toFixed(0)} %`,
      ...[arm.tokens?.read, arm.tokens?.own].map((count) => count?.toFixed(0) ?? "–"),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  "),
  );
  return [`${task}: ${contaminated.length} of ${checkedItems} items stand in the pool`, ...lines];
}

function renderScore({ score, estimate, comparisons }: ArmScore): string {
  const marks = { better: "+", worse: "-", "no difference shown": "." };
  const shown = comparisons.map(({ verdict }) => marks[verdict]).join("");
  const value = score === "answers" ? `${(100 * estimate.value).toFixed(1)} %` : estimate.value.toFixed(3);
  return `${value} ${shown.padEnd(2)}`;
}

function parseScores(text: string): string[] {
  const names = parseList(text);
  const unknown = names.find((name) => !scores.includes(name));
  if (unknown === undefined) return names;
  throw new InvalidArgumentError(`"${unknown}" is neither answers nor bits.`);
}
