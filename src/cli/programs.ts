/** @file `slimtune programs`: worked solutions with a program in place of their calculations. */

import type { Command } from "commander";
import { type SolutionProgramReport, writePrograms } from "../rollouts/programs/write-programs.ts";
import { createCodeRunner } from "../sandbox/code-runner.ts";
import { parseWhole } from "./arguments.ts";
import { createStatusLine, print } from "./output.ts";
import { addSandboxOption } from "./sandbox-option.ts";

export function addProgramsCommand(program: Command): void {
  const command = program
    .command("programs")
    .description(
      "Turn annotated calculations such as <<48/2=24>> into Python programs, run them, and keep those that give the right answer, to tune on.",
    )
    .requiredOption(
      "--data <split, path or id>",
      "a task's split such as gsm8k:train, or a file or Hub id of rows with question and solution",
    )
    .option("--data-dir <folder>", "folder with the tasks' datasets as files, in place of the Hub")
    .option("--limit <n>", "only the first n problems", parseWhole(1))
    .option("--instruction <text>", "stands under each question (default: nothing)")
    .requiredOption("--out <file>", "the .jsonl file that is written")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      `
Example:
  slimtune programs --data gsm8k:train --out programs.jsonl
  slimtune tune --model model.gguf --data programs.jsonl --out runs/programs
  slimtune reason --model model.gguf --adapter runs/programs/adapter --tasks gsm8k --strategies tir --instruction "" --out runs/tir`,
    );
  addSandboxOption(command).action(async ({ json, sandbox, verbose: _, ...options }) => {
    const status = createStatusLine();
    const runner = await createCodeRunner({ runner: sandbox });
    try {
      const report = await writePrograms({
        ...options,
        runner,
        onProgress: (done, total) => status.update(`${done}/${total} programs`),
      });
      status.done();
      print(json ? `${JSON.stringify(report)}\n` : `${toText(report, options.out)}\n`);
    } finally {
      status.done();
      runner.close();
    }
  });
}

function toText({ problems, rows, leftOut }: SolutionProgramReport, out: string): string {
  const share = ((100 * rows) / problems).toFixed(1);
  return [
    `${rows} of ${problems} solutions (${share} %) are programs that give the right answer`,
    ...Object.entries(leftOut).map(([reason, count]) => `  left out: ${count} ${reason}`),
    `They are in ${out}.`,
  ].join("\n");
}
