import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  hostileStudy,
  methodsStudy,
  seedsStudy,
  slimmingStudy,
  variantsStudy,
} from "./slimming/study-results.fixture.ts";
import { readStudy, writeStudy } from "./study-report.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-report-"));
afterAll(() => rmSync(scratch, { recursive: true }));

test("three files are written, and no temporary one stays", async () => {
  const folder = join(scratch, "new", "study");
  const { page, markdown } = await writeStudy(folder, slimmingStudy());
  expect(readdirSync(folder).sort()).toEqual(["report.html", "report.md", "study.json"]);
  expect([page, markdown]).toEqual(["report.html", "report.md"].map((name) => join(folder, name)));
  expect(readFileSync(page, "utf8")).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
  expect(readFileSync(markdown, "utf8")).toMatch(/^# What tuning does to SmolLM2-135M-Instruct\n/);
});

test.for([slimmingStudy(), seedsStudy(), methodsStudy(), variantsStudy(), hostileStudy("<b>|`")])(
  "results are read as they were written, and give the same page: %#",
  async (study) => {
    const first = await writeStudy(join(scratch, "first"), study);
    const read = readStudy(join(scratch, "first"));
    expect(read).toEqual(study);
    const second = await writeStudy(join(scratch, "second"), read);
    expect(readFileSync(second.page, "utf8")).toBe(readFileSync(first.page, "utf8"));
  },
);
