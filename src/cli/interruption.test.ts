import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { StepMetrics } from "../core/training/loop.ts";
import { writeFirstExamples } from "../node/data/first-examples.fixture.ts";
import type { Efficiency } from "../node/efficiency/efficiency.ts";

// Runs the built command (npm test builds it first) in processes that can be killed.
const scratch = mkdtempSync(join(tmpdir(), "slimtune-kill-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const data = writeFirstExamples(scratch, "math");

const tune = (out: string) => [
  ...["bin/slimtune.js", "tune", "--model", "fixtures/embedded-model", "--data", data],
  ...["--max-steps", "12", "--save-steps", "1", "--learning-rate", "0.005", "--lora-dropout", "0.1"],
  ...["--out", out],
];
const resultOf = (out: string) => readFileSync(join(out, "adapter", "adapter_model.safetensors"));

/** Starts the command and kills it as soon as it is in the middle of writing the checkpoint of `step`. */
async function killDuringCheckpoint(words: string[], out: string, step: number): Promise<void> {
  const child = spawn(process.execPath, words, { stdio: "ignore" });
  const ended = new Promise<NodeJS.Signals | null>((resolve) =>
    child.on("exit", (_code, signal) => resolve(signal)),
  );
  const folder = join(out, "checkpoint");
  const name = `step-${String(step).padStart(8, "0")}`;
  const isHalf = (entry: string) => entry.startsWith(".slimtune-") && entry.endsWith(name);
  while (child.exitCode === null && !(existsSync(folder) && readdirSync(folder).some(isHalf))) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  child.kill("SIGKILL");
  expect(await ended).toBe("SIGKILL");
}

test("a run that is killed while it writes checkpoints, and resumed, equals one that is not, bit for bit", async () => {
  const whole = join(scratch, "whole");
  expect(spawnSync(process.execPath, tune(whole), { stdio: "ignore" }).status).toBe(0);

  const killed = join(scratch, "killed");
  await killDuringCheckpoint(tune(killed), killed, 3);
  await killDuringCheckpoint(["bin/slimtune.js", "resume", killed], killed, 8);
  expect(spawnSync(process.execPath, ["bin/slimtune.js", "resume", killed], { stdio: "ignore" }).status).toBe(
    0,
  );
  expect(resultOf(killed).equals(resultOf(whole))).toBe(true);
  const steps: StepMetrics[] = readFileSync(join(killed, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter((line) => "loss" in line);
  expect(steps.map((line) => line.step)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));

  // What was computed after a checkpoint and lost counts neither as steps nor as time.
  const efficiency: Efficiency = JSON.parse(readFileSync(join(killed, "efficiency.json"), "utf8"));
  const seconds = steps.reduce((sum, line) => sum + line.seconds, 0);
  const tokens = steps.reduce((sum, line) => sum + line.tokens, 0);
  expect(efficiency.averageLatency).toBeCloseTo(seconds / 12, 9);
  expect(efficiency.tokensPerSecond).toBeCloseTo(tokens / seconds, 6);
  expect(efficiency.samplesPerSecond).toBeCloseTo((12 * 8) / seconds, 6);
  expect(efficiency.seconds).toBeGreaterThan(seconds);
});

test("Ctrl-C ends a run after its step with a checkpoint and exit code 130", async () => {
  const out = join(scratch, "interrupted");
  const child = spawn(process.execPath, tune(out), { stdio: ["ignore", "pipe", "ignore"] });
  let printed = "";
  child.stdout.on("data", (chunk) => {
    printed += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  while (!existsSync(join(out, "checkpoint"))) await new Promise((resolve) => setTimeout(resolve, 1));
  child.kill("SIGINT");
  expect(await ended).toBe(130);
  expect(printed).toContain(`slimtune resume ${out}`);
});
