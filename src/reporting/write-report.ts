/** @file Writes a report: as a page and as Markdown. */

import { join } from "node:path";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { renderMarkdown } from "./markdown.ts";
import { renderPage } from "./page.ts";
import type { Report } from "./sections.ts";

/** The files of a report. */
export interface ReportFiles {
  /** One page of HTML that needs no network, no script and no other file. */
  readonly page: string;
  readonly markdown: string;
}

/**
 * Writes `report.html` and `report.md` into a folder, which is made if need be. Each is whole at any time.
 *
 * @returns the paths of the files
 */
export function writeReport(folder: string, report: Report): ReportFiles {
  const files = { page: join(folder, "report.html"), markdown: join(folder, "report.md") };
  makeFolder(folder);
  writeWhole(files.markdown, renderMarkdown(report));
  writeWhole(files.page, renderPage(report));
  return files;
}
