import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, expect, test, vi } from "vitest";
import { captureOutput, clearErr, clearOut, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-compare-cli-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const folders = ["fixtures/evaluation/harness-before", "fixtures/evaluation/harness-after"];

captureOutput();

const run = (...words: string[]) => main(["node", "slimtune", "compare", ...words]);

test("a table and sentences are printed, with the items that changed", async () => {
  expect(await run(...folders, "--metrics", "strict-match", "--flips", "2")).toBe(0);
  expect(out).toContain("sums_written, exact_match (strict-match): no difference shown: 6.0 points higher");
  expect(out.match(/──/g)).toHaveLength(4);
});

test("verdicts are coloured where colours are wanted, and say the same", async () => {
  expect(await run(...folders)).toBe(0);
  const plain = out;
  clearOut();
  vi.stubEnv("FORCE_COLOR", "1");
  expect(await run(...folders)).toBe(0);
  vi.unstubAllEnvs();
  expect(out).toContain("\x1b[2mno difference shown\x1b[22m");
  expect(stripVTControlCharacters(out)).toBe(plain);
  expect(plain).not.toContain("\x1b");
});

test("--json prints one object", async () => {
  expect(await run(...folders, "--json", "--seed", "3")).toBe(0);
  const comparison = JSON.parse(out);
  expect(comparison.seed).toBe(3);
  expect(comparison.scores).toHaveLength(10);
});

test("--markdown and --out write a file and print nothing", async () => {
  const file = join(scratch, "reports", "comparison.md");
  expect(await run(...folders, "--markdown", "--out", file)).toBe(0);
  expect(out).toBe("");
  expect(readFileSync(file, "utf8")).toContain("| sums | acc | 100 |");
});

test("the help has an example", async () => {
  expect(await run("--help")).toBe(0);
  expect(out).toContain("slimtune compare runs/eval-base runs/eval-tuned");
});

test("bad input ends with one sentence and exit code 1", async () => {
  expect(await run(folders[0]!, "fixtures/miniature")).toBe(1);
  expect(err).toBe(
    "slimtune: fixtures/miniature holds no results.json, so it is no evaluation; name the output folder of one.\n",
  );
  clearErr();
  expect(await run(...folders, "--json", "--markdown")).toBe(1);
  expect(err).toContain("cannot be used with option");
  clearErr();
  expect(await run(...folders, "--out", scratch)).toBe(1);
  expect(err).toBe(`slimtune: ${scratch} is a folder where a file is needed; name a file.\n`);
});
