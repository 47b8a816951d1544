/** @file The command line: `slimtune <command>`. */

import { inspect } from "node:util";
import { Command, CommanderError } from "commander";
import { InputError } from "../core/errors.ts";
import { explainError } from "../node/files/explain-error.ts";
import { printWarnings } from "../node/print-warnings.ts";
import { addAlignCommand } from "./align.ts";
import { addChatCommand } from "./chat.ts";
import { addCompareCommand } from "./compare.ts";
import { addEstimateCommand } from "./estimate.ts";
import { addEvaluateCommand } from "./evaluate.ts";
import { addExportCommand } from "./export.ts";
import { addGenerateCommand } from "./generate.ts";
import { addInspectCommand } from "./inspect.ts";
import { addMergeCommand } from "./merge.ts";
import { note, print } from "./output.ts";
import { addPushCommand } from "./push.ts";
import { addQuickstartCommand } from "./quickstart.ts";
import { addReportCommand } from "./report.ts";
import { addServeCommand } from "./serve.ts";
import { addStudyCommand } from "./study.ts";
import { addTasksCommand } from "./tasks.ts";
import { addTuneCommands } from "./tune.ts";

/** Ends the process when its output cannot be written: quietly when its reader has enough, as `head` does. */
function onOutputError(error: NodeJS.ErrnoException): never {
  if (error.code !== "EPIPE") note(`slimtune: ${explain(error) ?? error.message}`);
  process.exit(1);
}

/**
 * Runs one command.
 *
 * @param argv as `process.argv`
 * @returns the exit code: 0, or 1 if the input was bad or the command failed, or 130 if it was interrupted
 */
export async function main(argv: readonly string[]): Promise<number> {
  const program = new Command("slimtune")
    .description("Fine-tunes open language models with LoRA and QLoRA, in Node.js, on the hardware you have.")
    .version("0.1.0")
    .option("--verbose", "show stack traces of errors")
    .showHelpAfterError("(add --help for the options and an example)")
    .configureOutput({ writeOut: print, writeErr: (text) => note(text.trimEnd()) })
    .exitOverride();
  addQuickstartCommand(program);
  addTuneCommands(program);
  addInspectCommand(program);
  addEstimateCommand(program);
  addMergeCommand(program);
  addExportCommand(program);
  addPushCommand(program);
  addGenerateCommand(program);
  addEvaluateCommand(program);
  addTasksCommand(program);
  addCompareCommand(program);
  addStudyCommand(program);
  addReportCommand(program);
  addAlignCommand(program);
  addChatCommand(program);
  addServeCommand(program);
  for (const command of program.commands)
    command.option("--verbose", "show stack traces of errors").exitOverride();

  process.stdout.on("error", onOutputError);
  printWarnings();
  try {
    await program.parseAsync(argv as string[]);
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    const verbose = argv.includes("--verbose");
    const explanation = explain(error);
    note(`slimtune: ${explanation ?? (error instanceof Error ? error.message : String(error))}`);
    if (verbose) note(inspect(error));
    else if (explanation === undefined) note("(add --verbose to see where it happened)");
    return 1;
  }
}

/** What is wrong and what to do, in a sentence; undefined if the error says neither. */
function explain(error: unknown): string | undefined {
  return error instanceof InputError ? error.message : explainError(error);
}
