import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { renderMarkdown } from "../reporting/markdown.ts";
import { renderPage } from "../reporting/page.ts";
import { kindOf } from "./kinds.ts";
import { readStudy, studyFile } from "./study-report.ts";

const shown = readdirSync("docs/results")
  .map((name) => join("docs/results", name))
  .filter((folder) => existsSync(join(folder, studyFile)));

test.for(shown)("a study of before gives the report that the documentation shows: %s", async (folder) => {
  const study = readStudy(folder);
  const report = await kindOf(study).report(study);
  const kept = (file: string) => readFileSync(join(folder, file), "utf8");
  const inOneLine = (page: string) => page.replace(/>\s+</g, "><");
  expect(inOneLine(renderPage(report))).toBe(inOneLine(kept("report.html")));
  if (existsSync(join(folder, "report.md"))) expect(renderMarkdown(report)).toBe(kept("report.md"));
});
