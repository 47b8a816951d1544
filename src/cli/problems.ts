/** @file `slimtune problems`: problem sets to tune on and to be asked, within their distribution and outside it. */

import { type Command, Option } from "commander";
import {
  type ProblemSetName,
  type ProblemsReport,
  problemSetNames,
  writeProblems,
} from "../problems/write-problems.ts";
import { parseWhole } from "./arguments.ts";
import { print } from "./output.ts";

export function addProblemsCommand(program: Command): void {
  program
    .command("problems")
    .description(
      "Write a problem set: rows to tune on, and tasks with other items, some of them of a shifted distribution.",
    )
    .addOption(
      new Option(
        "--set <name>",
        "letters (letters of names, concatenated), dates (one of six), or final-answers (word problems of a file)",
      )
        .choices(problemSetNames)
        .makeOptionMandatory(),
    )
    .option("--data <path>", "the file of final-answers: as GSM8K, SVAMP, ASDiv and MAWPS are published")
    .option("--name <task>", "name of its task (default: the file's)")
    .option("--rows <n>", "rows to tune on", parseWhole(0), 1000)
    .option("--items <n>", "items of each task", parseWhole(1), 200)
    .option("--rewordings", "rows with a second wording of their question, for --objective companion")
    .option("--seed <n>", "of the draws", parseWhole(0), 0)
    .requiredOption("--out <folder>", "the folder that is written")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      `
Example:
  slimtune problems --set letters --out problems/letters
  slimtune tune --model model.gguf --method dca --data problems/letters/train.jsonl --out runs/letters
  slimtune evaluate --model model.gguf --adapter runs/letters/adapter --task-file problems/letters --tasks letters,letters_longer --out answers`,
    )
    .action(async ({ json, verbose: _, ...options }: { json?: boolean; verbose?: boolean } & Given) => {
      const report = await writeProblems(options);
      print(json ? `${JSON.stringify(report)}\n` : `${toText(report, options.out)}\n`);
    });
}

type Given = { readonly set: ProblemSetName; readonly out: string };

function toText({ train, rows, items, leftOut, tasks }: ProblemsReport, out: string): string {
  return [
    ...(train === undefined ? [] : [`${rows} rows to tune on: ${train}`]),
    ...tasks.map(
      ({ name, shift }) => `task ${name}: ${items} items${shift === undefined ? "" : `, ${shift}`}`,
    ),
    ...(leftOut > 0 ? [`left out: ${leftOut} problems whose answer is no number`] : []),
    `Tasks are given by --task-file ${out}.`,
  ].join("\n");
}
