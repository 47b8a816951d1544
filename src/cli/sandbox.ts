/** @file `slimtune sandbox`: what models' Python programs are run in. */

import process from "node:process";
import { type Command, Option } from "commander";
import { InputError } from "../core/errors.ts";
import { breachesOf, checkTier, type SandboxVerdict } from "../sandbox/check.ts";
import { hasBubblewrap, type Isolation } from "../sandbox/confinement.ts";
import { probes } from "../sandbox/probes.ts";
import {
  defaultWheels,
  findTier,
  installation,
  type TierName,
  wheelsInstallation,
} from "../sandbox/tiers.ts";
import { createStatusLine, print } from "./output.ts";

const runners: readonly TierName[] = ["monty", "pyodide"];

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

async function check(flags: { runner?: TierName; isolation?: Isolation; json?: boolean }): Promise<void> {
  const isolation = flags.isolation ?? (hasBubblewrap() ? "bubblewrap" : "process");
  if (isolation === "bubblewrap" && !hasBubblewrap())
    throw new InputError(
      "bubblewrap does not work here; install it (on Debian and Ubuntu: apt-get install bubblewrap), or check the isolation process.",
    );
  const asked = flags.runner ? [flags.runner] : runners;
  const tiers = asked.flatMap((name) => findTier(name, defaultWheels) ?? []);
  const missing = asked.filter((name) => !tiers.some((tier) => tier.name === name));
  if (tiers.length === 0)
    throw new InputError(
      `There is no interpreter to check; install one (${missing.map((name) => installation[name]).join(", or ")}).`,
    );
  const status = createStatusLine();
  const verdicts: SandboxVerdict[] = [];
  for (const tier of tiers) {
    let done = 0;
    verdicts.push(
      await checkTier(tier, isolation, ({ name }) =>
        status.update(`${tier.name}: probe ${++done} of ${probes.length}, ${name}`),
      ),
    );
  }
  status.done();
  const notes = [
    ...missing.map((name) => `${name}: not installed (${installation[name]})`),
    ...(tiers.some(({ name, hasSymPy }) => name === "pyodide" && !hasSymPy)
      ? [`SymPy: not there (${wheelsInstallation(defaultWheels)})`]
      : []),
  ];
  print(flags.json ? `${JSON.stringify({ verdicts, notes })}\n` : render(verdicts, notes));
  if (verdicts.some((verdict) => breachesOf(verdict).length > 0)) process.exitCode = 1;
}

function render(verdicts: readonly SandboxVerdict[], notes: readonly string[]): string {
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
  return `${[...lines, "", ...sums, ...notes].join("\n")}\n`;
}
