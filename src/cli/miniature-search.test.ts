import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { ReasoningResults } from "../reasoning/results.ts";
import { captureOutput, clearOut, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-miniature-search-"));
afterAll(() => rmSync(scratch, { recursive: true }));
captureOutput();

/** What makes each command short, by its first words. */
const shorter: Readonly<Record<string, readonly string[]>> = {
  tune: ["--max-steps", "16", "--batch-size", "4"],
  "prm label": ["--limit", "2", "--solutions", "1", "--rollouts", "1"],
  "prm tune": ["--max-steps", "2", "--batch-size", "4"],
  search: ["--limit", "1", "--budget-tokens", "300"],
};

/** The commands of the script, as words. */
const commands = readFileSync("docs/results/miniature-search/run.sh", "utf8")
  .split("\n")
  .filter((line) => line.startsWith("slimtune ") && !line.includes("()"))
  .map((line) =>
    [...line.replace(/ > .*/, "").matchAll(/"([^"]*)"|\S+/g)]
      .map(([word, quoted]) => (quoted ?? word).replace("$out", scratch))
      .slice(1),
  );

test("the miniature's script runs, in short", { timeout: 180_000 }, async () => {
  expect(commands.length).toBeGreaterThan(6);
  for (const words of commands) {
    const name = [words.slice(0, 2).join(" "), words[0]!].find((name) => shorter[name]);
    clearOut();
    expect(await main(["node", "slimtune", ...words, ...(name ? shorter[name]! : [])]), err).toBe(0);
    if (words[1] === "judge") expect(out).toMatch(/\n\d+ labelled steps of \d+ solutions\n/);
  }
  const results: ReasoningResults = JSON.parse(readFileSync(join(scratch, "search/results.json"), "utf8"));
  expect(results.scorer).toBe(`the process reward model ${join(scratch, "prm")}`);
  const [{ points } = { points: [] }] = results.curves;
  expect(points.length).toBeGreaterThan(8);
  for (const { strategy, tokens } of points.slice(1)) {
    expect(strategy).toMatch(/@300$/);
    expect(tokens.value, strategy).toBeLessThanOrEqual(300);
  }
  const compared = results.gains.map(({ strategy, against }) => `${strategy} ${against}`);
  expect(compared).toContain("mstar-levin:4@300 sc:16@300");
  const page = readFileSync(join(scratch, "search/report.html"), "utf8");
  for (const title of ["At equal budgets on miniature_math", "Trees: miniature_math"])
    expect(page).toContain(title);
  expect(readFileSync(join(scratch, "judged/report.html"), "utf8")).toContain("Scores and what came true");
  expect(existsSync(join(scratch, "judged/judgements.json"))).toBe(true);
});
