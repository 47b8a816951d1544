import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import type { SandboxVerdict } from "../sandbox/check.ts";
import { probes } from "../sandbox/probes.ts";

// Runs the built command (npm test builds it first): interpreters run built files.
const run = (...words: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["bin/slimtune.js", "sandbox", ...words]);
  return { status, stdout: stdout.toString(), stderr: stderr.toString() };
};

test("Monty blocks every probe, which the command tells programs, with the exit code", () => {
  const { status, stdout } = run("check", "--runner", "monty", "--json");
  const { verdicts } = JSON.parse(stdout) as { verdicts: SandboxVerdict[] };
  expect(verdicts).toHaveLength(1);
  const [{ runner, probes: found, startMs, runMs }] = verdicts as [SandboxVerdict];
  expect(runner).toBe("monty");
  expect(found).toEqual(probes.map(({ name, kind }) => ({ name, kind, breach: null })));
  expect(startMs).toBeGreaterThan(runMs);
  expect(status).toBe(0);
});

test("help has an example, and an interpreter that is not known is refused", () => {
  expect(run("check", "--help").stdout).toContain("slimtune sandbox check --runner pyodide");
  const { status, stderr } = run("check", "--runner", "perl");
  expect(status).toBe(1);
  expect(stderr).toContain("monty, pyodide");
});
