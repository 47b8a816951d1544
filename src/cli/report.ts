/** @file `slimtune report`: a study's results as a page and as Markdown. */

import { existsSync } from "node:fs";
import type { Command } from "commander";
import { checkEntries } from "../node/files/folder.ts";
import { collectResults } from "../studies/collect.ts";
import { readStudyConfig } from "../studies/study-config.ts";
import { studyFolder } from "../studies/study-folder.ts";
import { print } from "./output.ts";

export function addReportCommand(program: Command): void {
  program
    .command("report")
    .description("Write a study's report again, from its runs and evaluations or from its study.json.")
    .argument("<study>", "folder of a study")
    .addHelpText("after", "\nExample:\n  slimtune report runs/study")
    .action(async (folder: string) => {
      if (existsSync(folder)) checkEntries(folder);
      // The charts' library is slow to load, and no other command needs it.
      const [{ readStudy }, { writeReport }] = await Promise.all([
        import("../reporting/study-file.ts"),
        import("../reporting/write-report.ts"),
      ]);
      const { config } = studyFolder(folder);
      const results = existsSync(config)
        ? await collectResults(readStudyConfig(config), studyFolder(folder))
        : readStudy(folder);
      const { page, markdown } = writeReport(folder, results);
      print(`The report is in ${page}, and as Markdown in ${markdown}.\n`);
    });
}
