/** @file Writes a study's report: a page, Markdown, and the results themselves. */

import { join } from "node:path";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import type { StudyResults } from "../studies/results.ts";
import { renderMarkdown } from "./markdown.ts";
import { renderPage } from "./page.ts";
import { studyFile } from "./study-file.ts";
import { arrangeStudy } from "./study-rows.ts";

/** The files of a report. */
export interface Report {
  /** One page of HTML that needs no network, no script and no other file. */
  readonly page: string;
  readonly markdown: string;
  /** The results, from which `readStudy` and the report can be had again. */
  readonly results: string;
}

/**
 * Writes `report.html`, `report.md` and `study.json` into a folder, which is made if need be. Each is whole at any time.
 *
 * @returns the paths of the files
 */
export function writeReport(folder: string, results: StudyResults): Report {
  const report = {
    page: join(folder, "report.html"),
    markdown: join(folder, "report.md"),
    results: join(folder, studyFile),
  };
  const study = arrangeStudy(results);
  makeFolder(folder);
  writeWhole(report.results, `${JSON.stringify(results, undefined, 2)}\n`);
  writeWhole(report.markdown, renderMarkdown(study));
  writeWhole(report.page, renderPage(study));
  return report;
}
