import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { captureOutput, clearOut, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-search-"));
afterAll(() => rmSync(scratch, { recursive: true }));
captureOutput();

const folder = join(scratch, "run");
const words = [
  ...["search", "--model", "fixtures/embedded-model", "--task-file", "fixtures/miniature/benchmarks"],
  ...["--tasks", "miniature_math", "--limit", "2", "--instruction", "", "--step-tokens", "16"],
  ...["--max-tokens", "24", "--temperature", "1", "--out", folder],
];
const run = (...given: string[]) => main(["node", "slimtune", ...given]);

test("the embedded model's steps are searched under budgets, and the trees shown", async () => {
  const named = ["--strategies", "greedy,sc:3,mstar-levin:3", "--budget-tokens", "90,150"];
  expect(await run(...words, ...named, "--json")).toBe(0);
  const { curves, cost, scorer } = JSON.parse(out);
  expect([cost, scorer]).toEqual(["computed", "the share of true equations"]);
  const points: { strategy: string; tokens: { value: number } }[] = curves[0].points;
  expect(points.map(({ strategy }) => strategy)).toEqual([
    ...["greedy", "sc:3@90", "sc:3@150", "mstar-levin:3@90", "mstar-levin:3@150"],
  ]);
  for (const { strategy, tokens } of points.slice(1))
    expect(tokens.value).toBeLessThanOrEqual(Number(strategy.split("@")[1]));
  expect(readFileSync(join(folder, "report.md"), "utf8")).toContain("Steps are scored by the share of true");

  clearOut();
  expect(await run("show", folder, "--problem", "1", "--strategy", "mstar-levin:3@150")).toBe(0);
  expect(out).toMatch(
    /^miniature_math 1, mstar-levin:3@150: .*; \d+ tokens computed\nSam had 7 carrots.*\n\. \[1\]\n[├└] /,
  );
  clearOut();
  expect(await run("show", folder, "--json")).toBe(0);
  expect(JSON.parse(out)).toMatchObject([
    { strategy: "mstar-levin:3@90" },
    { strategy: "mstar-levin:3@150" },
  ]);
});

test("what cannot be searched or shown is told in a sentence", async () => {
  expect(await run(...words, "--strategies", "mstar-beam:3", "--budget-tokens", "15")).toBe(1);
  expect(err).toContain(
    "The strategy mstar-beam:3@15: a budget of 15 tokens is too small for the first step, which may take 16; give a larger one, or allow shorter steps.",
  );
  expect(await run("show", folder, "--problem", "7")).toBe(1);
  expect(err).toContain(
    "holds no trees of 7; there are the tasks miniature_math; the problems 0, 1; the strategies mstar-levin:3@90",
  );
  writeFileSync(join(scratch, "solutions.jsonl"), "{}\n");
  expect(await run("show", scratch)).toBe(1);
  expect(err).toContain("solutions.jsonl, line 1: task: ");
  expect(await run("show", join(scratch, "none"))).toBe(1);
  expect(err).toMatch(/none\/solutions\.jsonl/);
});
