import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { slimmingStudy } from "../studies/slimming/study-results.fixture.ts";
import { captureOutput, clearErr, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-report-cli-"));
afterAll(() => rmSync(scratch, { recursive: true }));

captureOutput();

const run = (...words: string[]) => main(["node", "slimtune", "report", ...words]);

/** A study's folder with this study.json. */
function writeStudy(name: string, content: string): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "study.json"), content);
  return folder;
}

test("the report is written from study.json", async () => {
  const folder = writeStudy("good", JSON.stringify(slimmingStudy()));
  expect(await run(folder)).toBe(0);
  expect(out).toBe(
    `The report is in ${join(folder, "report.html")}, and as Markdown in ${join(folder, "report.md")}.\n`,
  );
  expect(readFileSync(join(folder, "report.md"), "utf8")).toContain("lora on math");
  expect(existsSync(join(folder, "report.html"))).toBe(true);
});

test("a damaged study ends with one sentence and exit code 1, and nothing is written", async () => {
  const study = slimmingStudy();
  const damages: [name: string, content: string, sentence: RegExp][] = [
    ["cut", JSON.stringify(study).slice(0, 999), /study\.json is not valid JSON; run the study again\.$/],
    ["other", "[1]", /study\.json: it is a list; give a table of names and values\.$/],
    ["kind", JSON.stringify({ ...study, kind: "neither" }), /study\.json: kind: it is .*; give "slimming"/],
    ["no-cells", JSON.stringify({ ...study, cells: undefined }), /study\.json: cells: it is missing\.$/],
    [
      "no-number",
      JSON.stringify({
        ...study,
        cells: [{ ...study.cells[0]!, divergence: { value: null, low: 0, high: 1 } }],
      }),
      /study\.json: cells\.0\.divergence\.value: it is empty; give a number\.$/,
    ],
    [
      "no-base",
      JSON.stringify({ ...study, base: { ...study.base, scores: {} } }),
      /study\.json: the base model's score of gsm8k is missing\.$/,
    ],
  ];
  for (const [name, content, sentence] of damages) {
    clearErr();
    const folder = writeStudy(name, content);
    expect(await run(folder)).toBe(1);
    expect(err.trim().split("\n")).toHaveLength(1);
    expect(err.trim()).toMatch(sentence);
    expect(existsSync(join(folder, "report.html"))).toBe(false);
  }
});

test("a folder that holds no study is refused", async () => {
  expect(await run(join(scratch, "nowhere"))).toBe(1);
  expect(err).toBe(
    `slimtune: ${join(scratch, "nowhere")} holds no study.json, so it is no study; name the folder of one.\n`,
  );
});
