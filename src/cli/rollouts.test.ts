import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeGroup } from "../rollouts/hand-made.fixture.ts";
import { formatRollout } from "../rollouts/rollout.ts";
import { captureOutput, clearOut, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-rollouts-"));
afterAll(() => rmSync(scratch, { recursive: true }));
captureOutput();

const run = (...words: string[]) => main(["node", "slimtune", ...words]);

test("sample says how many solutions are right, and what they took", async () => {
  const folder = join(scratch, "sampled");
  const words = [
    ...["sample", "--model", "fixtures/embedded-model", "--data", "fixtures/miniature/math-train.jsonl"],
    ...["--limit", "2", "--n", "2", "--max-new-tokens", "4", "--instruction", "", "--out", folder],
  ];
  expect(await run(...words)).toBe(0);
  expect(err).toContain("2 solutions of each of 2 problems\n");
  expect(out).toMatch(/^4 solutions of 2 problems\n {2}right +\d+\.\d % \(/);
  expect(out).toMatch(/ {2}any of 2 {2}right .*\n.*\n {2}tokens .*\n {2}cut at 4 {4}tokens/);
  clearOut();
  expect(await run(...words, "--json")).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ folder, problems: 2, samples: 4, settings: { n: 2 } });
  expect(err).toContain("; 4 were known from before");
});

test("select writes rows and says what it left out", async () => {
  const rollouts = join(scratch, "hand-made");
  mkdirSync(rollouts);
  const groups = [makeGroup(0, [40, true], [20, true], [30, false]), makeGroup(1, [30, false])];
  writeFileSync(join(rollouts, "rollouts.jsonl"), groups.flat().map(formatRollout).join(""));
  const rows = join(scratch, "short.jsonl");
  const words = ["select", rollouts, "--rule", "shortest-correct", "--out", rows];
  expect(await run(...words)).toBe(0);
  expect(out).toBe(
    [
      "shortest-correct: 1 rows from 4 solutions of 2 problems",
      "  tokens of a solution: 20.0 of those to be imitated, 30.0 of all",
      "  left out: 1 problems without a right solution",
      `They are in ${rows}, and what was left out in ${join(scratch, "short.selection.json")}.\n`,
    ].join("\n"),
  );
  clearOut();
  expect(await run(...words, "--json")).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ rows: 1, rowTokens: 20, leftOut: expect.anything() });
  expect(await run("select", rollouts, "--rule", "longest", "--out", rows)).toBe(1);
  expect(err).toContain('There is no rule "longest"; do you mean');
});

test("programs runs them in the sandbox, and says which share gives the right answer", () => {
  const data = join(scratch, "data.jsonl");
  const rows = join(scratch, "programs.jsonl");
  const solutions = [
    { question: "How many?", answer: "There are 7/2 = <<7/2=3.5>>3.5 eggs.\n#### 3.5" },
    { question: "And now?", answer: "So 10 + 1 = 11.\n#### 11" },
  ];
  writeFileSync(data, solutions.map((row) => JSON.stringify(row)).join("\n"));
  // Interpreters run in processes of the built package (npm test builds it first); what they block is tested elsewhere.
  const words = ["programs", "--data", data, "--sandbox", "unsafe", "--out", rows];
  const { status, stdout } = spawnSync(process.execPath, ["bin/slimtune.js", ...words], { encoding: "utf8" });
  expect(status).toBe(0);
  expect(stdout).toContain("1 of 2 solutions (50.0 %) are programs that give the right answer\n");
  expect(stdout).toContain("  left out: 1 without calculations that can be read\n");
  expect(JSON.parse(readFileSync(rows, "utf8"))).toEqual({
    question: "How many?",
    answer: "```python\neggs = 7 / 2\nprint(eggs)\n```\n```output\n3.5\n```\nThe answer is \\boxed{3.5}.",
  });
});
