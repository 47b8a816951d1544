/** @file The command line: `slimtune <command>`. */

import { inspect } from "node:util";
import { Command, CommanderError } from "commander";
import { InputError } from "../core/errors.ts";
import { explainError } from "../node/files/explain-error.ts";
import { printWarnings } from "../node/print-warnings.ts";
import { note, print } from "./output.ts";

/** What adds each command. Only that of the command that is asked for is loaded, which is quicker; all are for help. */
const commands: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  quickstart: async () => (await import("./quickstart.ts")).addQuickstartCommand,
  tune: async () => (await import("./tune.ts")).addTuneCommands,
  resume: async () => (await import("./tune.ts")).addTuneCommands,
  inspect: async () => (await import("./inspect.ts")).addInspectCommand,
  devices: async () => (await import("./devices.ts")).addDevicesCommand,
  estimate: async () => (await import("./estimate.ts")).addEstimateCommand,
  merge: async () => (await import("./merge.ts")).addMergeCommand,
  export: async () => (await import("./export.ts")).addExportCommand,
  push: async () => (await import("./push.ts")).addPushCommand,
  generate: async () => (await import("./generate.ts")).addGenerateCommand,
  evaluate: async () => (await import("./evaluate.ts")).addEvaluateCommand,
  tasks: async () => (await import("./tasks.ts")).addTasksCommand,
  compare: async () => (await import("./compare.ts")).addCompareCommand,
  study: async () => (await import("./study.ts")).addStudyCommand,
  worker: async () => (await import("./worker.ts")).addWorkerCommand,
  broker: async () => (await import("./broker.ts")).addBrokerCommand,
  report: async () => (await import("./report.ts")).addReportCommand,
  demos: async () => (await import("./demos.ts")).addDemosCommand,
  reason: async () => (await import("./reason.ts")).addReasonCommand,
  search: async () => (await import("./search.ts")).addSearchCommand,
  show: async () => (await import("./show.ts")).addShowCommand,
  sample: async () => (await import("./sample.ts")).addSampleCommand,
  select: async () => (await import("./select.ts")).addSelectCommand,
  problems: async () => (await import("./problems.ts")).addProblemsCommand,
  programs: async () => (await import("./programs.ts")).addProgramsCommand,
  prm: async () => (await import("./prm.ts")).addPrmCommands,
  assess: async () => (await import("./assess.ts")).addAssessCommand,
  federate: async () => (await import("./federate/federate.ts")).addFederateCommands,
  align: async () => (await import("./align.ts")).addAlignCommand,
  sandbox: async () => (await import("./sandbox.ts")).addSandboxCommand,
  chat: async () => (await import("./chat.ts")).addChatCommand,
  serve: async () => (await import("./serve.ts")).addServeCommand,
  studio: async () => (await import("./studio.ts")).addStudioCommand,
};

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
  const [, , name = ""] = argv;
  const asked = Object.hasOwn(commands, name) ? [commands[name]!] : Object.values(commands);
  const adding = await Promise.all((name === "--version" ? [] : asked).map((load) => load()));
  for (const add of new Set(adding)) add(program);
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
