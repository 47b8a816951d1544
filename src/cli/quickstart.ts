/** @file `slimtune quickstart`: the slimming study in miniature, on the embedded model. */

import { join } from "node:path";
import process from "node:process";
import type { Command } from "commander";
import { miniatureStudy } from "../studies/miniature-study.ts";
import { runStudy } from "../studies/run-study.ts";
import type { SlimmingCell, SlimmingResults } from "../studies/slimming/results.ts";
import { createStatusLine, formatDuration, print } from "./output.ts";

const defaultOut = join("runs", "quickstart");

/** A cell's gain in points with its interval; a star marks what is shown at the 5 % level. */
function describeChange(cell: SlimmingCell, task: string): string {
  const change = cell.changes?.[task];
  if (!change) return "failed";
  const points = (value: number) => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(0)}`;
  const { value, low, high } = change.difference;
  const star = change.verdict === "no difference shown" ? " " : "*";
  return `${points(value)}${star} (${points(low)} to ${points(high)})`;
}

function describeResults({ tasks, base, cells }: SlimmingResults): string {
  const rows = [
    ["", ...tasks.map(({ name }) => name)],
    ["base", ...tasks.map(({ name }) => `${(100 * base.scores[name]!.value).toFixed(0)} %`)],
    ...cells.map((cell) => [
      `${cell.method} on ${cell.data}`,
      ...tasks.map(({ name }) => describeChange(cell, name)),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function addQuickstartCommand(program: Command): void {
  program
    .command("quickstart")
    .description("Tune the embedded model in six ways and compare each with its base, in about two minutes.")
    .option("--out <folder>", "folder of the study; one that was interrupted goes on", defaultOut)
    .addHelpText("after", "\nExample:\n  slimtune quickstart")
    .action(async ({ out }: { out: string }) => showMiniature(out));
}

async function showMiniature(out: string): Promise<void> {
  const started = performance.now();
  const status = createStatusLine();
  const interrupt = new AbortController();
  process.once("SIGINT", () => interrupt.abort());
  print(
    "The embedded model (1.1 million parameters, trained by this project) is tuned with LoRA and QLoRA on word problems, on\ncommon sense and on computing, and asked 200 other questions of each kind before and after.\n\n",
  );
  const { results, report } = await runStudy(miniatureStudy(), out, {
    signal: interrupt.signal,
    onPlan({ parts, done }) {
      if (done === parts) print(`All of it was computed before; delete ${out} to compute it anew.\n\n`);
    },
    onProgress: ({ number, of, name }, text) => status.update(`${number}/${of} ${name}: ${text}`),
  });
  status.done();
  if (!results) {
    print(`Stopped; go on with \`slimtune quickstart${out === defaultOut ? "" : ` --out ${out}`}\`.\n`);
    process.exitCode = 130;
    return;
  }
  print(
    `Share of right answers of the base model, and what tuning changed, in points (95 % interval; * shown at the 5 % level):\n\n${describeResults(results)}\n\nDone in ${formatDuration((performance.now() - started) / 1000)}. The report is ${report}: open it in a browser.\n`,
  );
}
