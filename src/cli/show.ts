/** @file `slimtune show`: the trees that a search has grown for a problem. */

import type { Command } from "commander";
import { describeSearched, readSearched } from "../reasoning/searched-problem.ts";
import { parseWhole } from "./arguments.ts";
import { print } from "./output.ts";

export function addShowCommand(program: Command): void {
  program
    .command("show")
    .description("Show the trees of a search: each step with its reward, and the way to the answer.")
    .argument("<run>", "folder of a run of `slimtune search`")
    .option("--problem <id>", "the problem's number in its task, from 0", "0")
    .option("--task <name>", "default: each that has such a problem")
    .option("--strategy <name>", "such as mstar-levin:4@4000; default: each that searches")
    .option("--width <n>", "the most characters of a line", parseWhole(20), 120)
    .option("--json", "print one JSON object instead of text")
    .addHelpText("after", "\nExample:\n  slimtune show runs/search --problem 17 --strategy mstar-levin:4")
    .action((run: string, { json, width, problem: id, task, strategy }) => {
      const searched = readSearched(run, { id, task, strategy });
      print(
        json
          ? `${JSON.stringify(searched)}\n`
          : `${searched.map((one) => describeSearched(one, { width })).join("\n\n")}\n`,
      );
    });
}
