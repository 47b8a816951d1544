/** @file `slimtune reason`: problems solved by several strategies, as curves of accuracy against tokens. */

import { type Command, Option } from "commander";
import { parseList, parseNumber } from "./arguments.ts";
import { addSolvingOptions, describeStrategies, type SolvingOptions, solve } from "./solving.ts";

export function addReasonCommand(program: Command): void {
  const command = program
    .command("reason")
    .description(
      "Solve problems by strategies that spend more or fewer tokens, and show the accuracy that each buys.",
    );
  addSolvingOptions(command)
    .option(
      "--strategies <names>",
      "of those below; the first is what the others are compared with",
      parseList,
      ["cot"],
    )
    .option(
      "--route-share <share>",
      "share of problems that route gives to the stronger model",
      parseNumber,
      0.3,
    )
    .addOption(
      new Option("--route-by <what>", "how route measures confidence")
        .choices(["votes", "logprob"])
        .default("votes"),
    )
    .addHelpText(
      "after",
      `
Strategies:
${describeStrategies()}

Every text is kept as soon as it is written: the same command goes on after Ctrl-C, and further strategies use what is known.

Example:
  slimtune reason --model model.gguf --tasks gsm8k --limit 100 --strategies cot,cut:64,budget:64,sc:8,sc-early:8 --out runs/reason`,
    )
    .action(({ verbose: _, ...options }: SolvingOptions & { verbose?: boolean }) => solve(options));
}
