/** @file `slimtune report`: a study's results as a page and as Markdown. */

import { stdout } from "node:process";
import type { Command } from "commander";

export function addReportCommand(program: Command): void {
  program
    .command("report")
    .description("Write a study's report again from its results: report.html and report.md.")
    .argument("<study>", "folder of a study, with study.json")
    .addHelpText("after", "\nExample:\n  slimtune report runs/study")
    .action(async (folder: string) => {
      // The charts' library is slow to load, and no other command needs it.
      const [{ readStudy }, { writeReport }] = await Promise.all([
        import("../reporting/study-file.ts"),
        import("../reporting/write-report.ts"),
      ]);
      const { page, markdown } = writeReport(folder, readStudy(folder));
      stdout.write(`The report is in ${page}, and as Markdown in ${markdown}.\n`);
    });
}
