/** @file `slimtune sandbox`: what models' Python programs are run in. */

import process from "node:process";
import { type Command, Option } from "commander";
import { breachesOf, checkSandbox, type SandboxVerdict } from "../sandbox/check.ts";
import type { Isolation } from "../sandbox/confinement.ts";
import { probes } from "../sandbox/probes.ts";
import { defaultWheels, type InterpreterName, installation, wheelsInstallation } from "../sandbox/tiers.ts";
import { createStatusLine, print } from "./output.ts";

const runners: readonly InterpreterName[] = ["monty", "pyodide"];

export function addSandboxCommand(program: Command): void {
  const sandbox = program.command("sandbox").description("Look at what models' Python programs are run in.");
  sandbox
    .command("check")
    .description(
      `Try ${probes.length} ways out of the sandbox on each interpreter that is installed, and say which are blocked. The exit code is 1 if one is not.`,
    )
    .addOption(new Option("--runner <name>", "this interpreter alone").choices(runners))
    .addOption(
      new Option(
        "--isolation <kind>",
        "bubblewrap, or the process' own limits alone (default: bubblewrap where it works)",
      ).choices(["bubblewrap", "process"]),
    )
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      "\nExample:\n  slimtune sandbox check\n  slimtune sandbox check --runner pyodide --isolation process",
    )
    .action(check);
  for (const command of sandbox.commands)
    command.option("--verbose", "show stack traces of errors").exitOverride();
}

async function check(flags: {
  runner?: InterpreterName;
  isolation?: Isolation;
  json?: boolean;
}): Promise<void> {
  const { json, runner, isolation } = flags;
  const status = createStatusLine();
  let done = 0;
  const verdicts = await checkSandbox({
    ...(runner && { runner }),
    ...(isolation && { isolation }),
    onProbe: (name, probe) =>
      status.update(`${name}: probe ${(done++ % probes.length) + 1} of ${probes.length}, ${probe}`),
  });
  status.done();
  print(json ? `${JSON.stringify({ verdicts })}\n` : render(verdicts, runner ? [runner] : runners));
  if (verdicts.some((verdict) => breachesOf(verdict).length > 0)) process.exitCode = 1;
}

function render(verdicts: readonly SandboxVerdict[], asked: readonly InterpreterName[]): string {
  const widest = Math.max(...probes.map(({ name }) => name.length));
  const lines = ["kind", ...probes.map(({ kind }) => kind)].map((kind, row) => {
    const name = row === 0 ? "a program that" : probes[row - 1]!.name;
    const cells = verdicts.map(({ runner, probes }) =>
      row === 0 ? runner : probes[row - 1]!.breach === null ? "blocked" : "FAILED",
    );
    return [kind.padEnd(11), name.padEnd(widest), ...cells.map((cell) => cell.padEnd(7))]
      .join("  ")
      .trimEnd();
  });
  const sums = verdicts.map((verdict) => {
    const breaches = breachesOf(verdict);
    const { runner, version, isolation, startMs, runMs } = verdict;
    const times = `start ${(startMs / 1000).toFixed(1)} s, a program ${runMs.toFixed(1)} ms`;
    const blocked = `${probes.length - breaches.length} of ${probes.length} blocked`;
    const verdictText = breaches.length === 0 ? "used for models' programs" : "not used for models' programs";
    return [
      `${runner} ${version} (${isolation}): ${blocked}, ${verdictText}; ${times}`,
      ...breaches.map(({ name, breach }) => `  a program that ${name}: ${breach}`),
    ].join("\n");
  });
  const notes = asked
    .filter((name) => !verdicts.some(({ runner }) => runner === name))
    .map((name) => `${name}: not installed (${installation[name]})`);
  if (verdicts.some(({ runner, hasSymPy }) => runner === "pyodide" && !hasSymPy))
    notes.push(`SymPy: not there (${wheelsInstallation(defaultWheels)})`);
  return `${[...lines, "", ...sums, ...notes].join("\n")}\n`;
}
