/** @file `slimtune select`: rows to tune on from rollouts, by a rule. */

import { type Command, Option } from "commander";
import { storages } from "../core/models/linear.ts";
import { rules } from "../rollouts/rules/rules.ts";
import { reportBeside, type SelectionReport, selectRows } from "../rollouts/select-rows.ts";
import { createStatusLine, print } from "./output.ts";

export function addSelectCommand(program: Command): void {
  program
    .command("select")
    .description("Select rows to tune on from rollouts of `slimtune sample`.")
    .argument("<rollouts>", "folder of rollouts")
    .requiredOption("--rule <rule>", "one of those below")
    .option("--model <path or id>", "for tokenskip: the base model, which says how surprising words are")
    .addOption(
      new Option("--storage <kind>", "how its weights are kept").choices(storages).default("float32"),
    )
    .requiredOption("--out <file>", "the .jsonl file that is written")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      `
Rules:
${describeRules()}

Example:
  slimtune select rollouts --rule shortest-correct --out short.jsonl
  slimtune tune --model model.gguf --data short.jsonl --out runs/short`,
    )
    .action(async (rollouts: string, { json, verbose: _, ...options }) => {
      const status = createStatusLine();
      const report = await selectRows({ ...options, rollouts, onStage: status.update }).finally(status.done);
      print(json ? `${JSON.stringify(report)}\n` : `${toText(report, options.out)}\n`);
    });
}

function describeRules(): string {
  return Object.values(rules)
    .map(({ usage, description }) => `  ${usage}\n      ${description}`)
    .join("\n");
}

function toText(
  { rule, problems, samples, tokens, rows, rowTokens, leftOut }: SelectionReport,
  out: string,
): string {
  return [
    `${rule}: ${rows} rows from ${samples} solutions of ${problems} problems`,
    `  tokens of a solution: ${rowTokens.toFixed(1)} of those to be imitated, ${tokens.toFixed(1)} of all`,
    ...Object.entries(leftOut).map(([reason, count]) => `  left out: ${count} ${reason}`),
    `They are in ${out}, and what was left out in ${reportBeside(out)}.`,
  ].join("\n");
}
