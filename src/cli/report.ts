/** @file `slimtune report`: a study's results as a page and as Markdown. */

import type { Command } from "commander";
import { rebuildReport } from "../studies/study-report.ts";
import { print } from "./output.ts";

export function addReportCommand(program: Command): void {
  program
    .command("report")
    .description("Write a study's report again, from its runs and evaluations or from its study.json.")
    .argument("<study>", "folder of a study")
    .addHelpText("after", "\nExample:\n  slimtune report runs/study")
    .action(async (folder: string) => {
      const { page, markdown } = await rebuildReport(folder);
      print(`The report is in ${page}, and as Markdown in ${markdown}.\n`);
    });
}
