import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { captureOutput, clearOut, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-assess-cli-"));
afterAll(() => rmSync(scratch, { recursive: true }));
captureOutput();

const words = [
  ...[
    "assess",
    "--model",
    "fixtures/embedded-model",
    "--rubric",
    "fixtures/miniature/assessment/rubric.yaml",
  ],
  ...["--texts", "fixtures/miniature/assessment/lessons.jsonl", "--limit", "2"],
];
const run = (...more: string[]) => main(["node", "slimtune", ...words, ...more]);

test("the levels of lessons are printed, with the agreement, and where the texts have been", async () => {
  const folder = join(scratch, "run");
  const more = ["--formulations", "score,turns", "--context", "all", "--out", folder];
  expect(await run(...more), err).toBe(0);
  expect(err).toContain("texts: 2, 20 others to learn from; ways: 2; no text leaves this machine");
  expect(out).toMatch(/^ {2}text +press +reason\n {2}lesson-21 +[1-4] +[1-4]\n/m);
  expect(out).toMatch(/^ {2}turns, whole, 0 examples +(?:–|-?\d\.\d\d) +\d+ % +0 % +– +\d+ +\d/m);
  expect(out).toMatch(/^ {2}words +/m);
  expect(out).toContain("All was computed on this machine, and no text has left it.");
  expect(out).toContain(`The report is in ${join(folder, "report.html")}`);
  const answers = readFileSync(join(folder, "answers.jsonl"), "utf8");
  clearOut();
  expect(await run(...more, "--json")).toBe(0);
  const { ways, server, texts } = JSON.parse(out);
  expect([ways.length, server, texts.assessed]).toEqual([5, null, 2]);
  expect(readFileSync(join(folder, "answers.jsonl"), "utf8")).toBe(answers);
});

test("what cannot be asked for is told in a sentence", async () => {
  const to = ["--out", join(scratch, "none")];
  expect(await run("--formulations", "vote", ...to)).toBe(1);
  expect(err).toContain(
    'slimtune: There is no formulation "vote"; the formulations are score, count, examples, turns.',
  );
  expect(await run("--shots", "0,x", ...to)).toBe(1);
  expect(err).toContain("It is not a number.");
  expect(await run("--human", "package.json", ...to)).toBe(1);
  expect(err).toContain("package.json holds no list of examples");
});
