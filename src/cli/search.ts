/** @file `slimtune search`: solutions searched step by step, guided by rewards, beside as many tokens of whole solutions. */

import type { Command } from "commander";
import { defaultSettings } from "../reasoning/run-reasoning.ts";
import { strategies } from "../reasoning/strategies/strategies.ts";
import { parseList, parseWholes } from "./arguments.ts";
import { addSolvingOptions, describeStrategies, type SolvingOptions, solve } from "./solving.ts";

const words = Object.keys(strategies).filter((word) => strategies[word]!.takesBudget);
const byDefault = ["greedy", "sc:8", "prm-bon:8", "weighted-bon:8", "mstar-beam:4", "mstar-levin:4"];

export function addSearchCommand(program: Command): void {
  const command = program
    .command("search")
    .description(
      "Search solutions step by step, guided by rewards of steps, and compare with whole solutions at the same cost.",
    );
  addSolvingOptions(command)
    .option(
      "--strategies <names>",
      "of those below, or of `slimtune reason`; greedy is the likeliest solution",
      parseList,
      byDefault,
    )
    .option(
      "--budget-tokens <list>",
      "hold each to these numbers of computed tokens a problem, one after the other",
      parseWholes,
    )
    .addHelpText(
      "after",
      `
Strategies that can be held to a budget:
${describeStrategies(words)}

The cost is what is computed for a problem: the question once, and all tokens that are written and scored. Trees are kept with the
solutions; \`slimtune show\` prints them. A step is a line of at most ${defaultSettings.stepTokens} tokens.

Example:
  slimtune search --model model.gguf --tasks gsm8k --limit 100 --strategies greedy,sc:16,mstar-levin:4 --budget-tokens 1000,4000 --out runs/search
  slimtune show runs/search --problem 17`,
    )
    .action(({ verbose: _, budgetTokens, ...options }: Given) =>
      solve({ ...options, cost: "computed", strategies: withBudgets(options.strategies, budgetTokens) }),
    );
}

type Given = SolvingOptions & { readonly verbose?: boolean; readonly budgetTokens?: readonly number[] };

/** Each strategy under each budget; those that take none, or have one, as they are. */
function withBudgets(names: readonly string[], budgets: readonly number[] = []): string[] {
  return names.flatMap((name) => {
    const [word = ""] = name.split(":");
    const takes = words.includes(word) && !name.includes("@") && budgets.length > 0;
    return takes ? budgets.map((budget) => `${name}@${budget}`) : [name];
  });
}
