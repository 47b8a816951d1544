import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { meanInterval } from "../statistics/mean-interval.ts";
import { resumeStudy, runStudy } from "./run-study.ts";
import type { StudyOptions } from "./study-config.ts";
import { rebuildReport } from "./study-report.ts";

vi.mock("./run-part.ts", () => import("./in-process.fixture.ts"));
// How fast this machine is takes long to measure, and nothing here depends on it.
vi.mock("../core/engine/product-rate.ts", () => ({ measureProductRate: async () => 1e10 }));

const scratch = mkdtempSync(join(tmpdir(), "slimtune-seeds-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const out = join(scratch, "study");

const study: StudyOptions<"seeds"> = {
  kind: "seeds",
  model: "fixtures/embedded-model",
  data: { math: "fixtures/miniature/math-train.jsonl" },
  tasks: ["miniature_computing"],
  task_files: ["fixtures/miniature/benchmarks"],
  apply_chat_template: true,
  limit: 8,
  seeds: [1, 2, 3],
  run: { max_steps: 2, batch_size: 4, validation: 8, learning_rate: 1e-2 },
};

test("the spread of scores and held-out losses over the seeds, with its report", async () => {
  const parts: string[] = [];
  const { outcome, results, report } = await runStudy(study, out, {
    onPart: ({ number, of, name }) => void parts.push(`${number}/${of} ${name}`),
  });
  expect(outcome).toBe("finished");
  expect(parts.slice(0, 3)).toEqual([
    "1/7 base: evaluation",
    "2/7 lora-math-1: tuning",
    "3/7 lora-math-1: evaluation",
  ]);
  const [score, loss] = results!.spreads;
  const finals = results!.cells.map(({ run }) => run!.heldOutLoss.at(-1)![1]);
  expect(new Set(finals).size).toBe(3);
  const { deviation, ...mean } = meanInterval(finals);
  expect(loss).toMatchObject({ method: "lora", data: "math", quantity: "held-out loss", deviation, mean });
  expect(loss!.before).toBeGreaterThan(mean.value);
  expect(score).toMatchObject({
    quantity: "miniature_computing",
    before: results!.base.scores.miniature_computing!.value,
    values: results!.cells.map(({ scores }) => scores!.miniature_computing),
  });
  expect(readFileSync(report!, "utf8")).toContain("<h2>Spread over the seeds</h2>");
});

test("a report is written again from the folders, or from study.json alone", async () => {
  const whole = readFileSync(join(out, "report.html"), "utf8");
  const alone = join(scratch, "alone");
  mkdirSync(alone);
  cpSync(join(out, "study.json"), join(alone, "study.json"));
  for (const folder of [out, alone]) {
    const { page } = await rebuildReport(folder);
    expect(readFileSync(page, "utf8")).toBe(whole);
  }
  expect(whole).toContain("lora on math: held-out loss from");
});

test("a seed that fails is told, is left out of the spread, and is computed again by resuming", async () => {
  const run = join(out, "runs", "lora-math-2");
  rmSync(join(run, "adapter"), { recursive: true });
  rmSync(join(out, "evaluations", "lora-math-2"), { recursive: true });
  const inputs = readFileSync(join(run, "inputs.json"), "utf8");
  writeFileSync(join(run, "inputs.json"), "{");
  const { results } = await resumeStudy(out);
  expect(results!.cells.map(({ error }) => error?.includes("inputs.json"))).toEqual([
    undefined,
    true,
    undefined,
  ]);
  expect(results!.kind === "seeds" && results!.spreads.map(({ values }) => values.length)).toEqual([2, 2]);
  writeFileSync(join(run, "inputs.json"), inputs);
  const again = await resumeStudy(out);
  expect(again.results!.cells.filter(({ error }) => error !== undefined)).toEqual([]);
});

test("one seed has no spread", async () => {
  await expect(runStudy({ ...study, seeds: [1] }, join(scratch, "one"))).rejects.toThrow(
    'The study\'s options: the option "seeds" is a list of 1; give at least 2.',
  );
});
