import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { renderMarkdown } from "../../reporting/markdown.ts";
import { renderPage } from "../../reporting/page.ts";
import { readStudy } from "../study-report.ts";
import { slimmingReport } from "./report.ts";
import type { SlimmingResults } from "./results.ts";

const shown = readdirSync("docs/results", { recursive: true, encoding: "utf8" });

test.for(["methods-smollm2", "miniature-seeds", "slimming-smollm2"])(
  "a study of before gives the report that the documentation shows: %s",
  (name) => {
    const folder = join("docs/results", name);
    const report = slimmingReport(readStudy(folder) as SlimmingResults);
    const kept = (file: string) => readFileSync(join(folder, file), "utf8");
    const inOneLine = (page: string) => page.replace(/>\s+</g, "><");
    expect(inOneLine(renderPage(report))).toBe(inOneLine(kept("report.html")));
    if (shown.includes(join(name, "report.md"))) expect(renderMarkdown(report)).toBe(kept("report.md"));
  },
);
