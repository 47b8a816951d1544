import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { fineTune } from "../node/training/fine-tune.ts";
import { judgeSteps } from "./judge-steps.ts";
import { reportSteps } from "./step-report.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-judge-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const model = "fixtures/embedded-model";
const file = (name: string, rows: readonly object[]) => {
  const path = join(scratch, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
};
const question = "Tom has 3 pens and gets 4 more. How many pens does he have?";
const rows = Array.from({ length: 12 }, (_, i) => ({
  prompt: question,
  completions: [i % 2 === 0 ? "3 + 4 = 7" : "I like cats.", "#### 7"],
  labels: [i % 2 === 0, -100],
}));
const data = file("steps.jsonl", rows);

test("a model that is tuned on labels of steps tells right ones from wrong ones, and its report says so", async () => {
  const losses: number[] = [];
  const { output } = await fineTune(
    {
      ...{ model, data, objective: "prm", out: join(scratch, "run"), validation: 0, threads: 1 },
      ...{ max_steps: 8, batch_size: 4, learning_rate: 1e-2, warmup_ratio: 0, lr_scheduler_type: "constant" },
    },
    { onStep: ({ loss }) => losses.push(loss) },
  );
  expect(output).toBeDefined();
  expect(losses.at(-1)).toBeLessThan(losses[0]!);
  const before = await judgeSteps({ model, data });
  const after = await judgeSteps({ model, prm: join(scratch, "run"), data });
  expect(after.solutions).toHaveLength(12);
  expect(after.solutions[0]).toEqual({
    question,
    steps: [
      { text: "3 + 4 = 7", reward: expect.closeTo(after.solutions[2]!.steps[0]!.reward, 6), label: 1 },
      { text: "#### 7", reward: expect.any(Number) },
    ],
  });
  expect(after.report).toMatchObject({ solutions: 12, steps: 12, baseRate: 0.5 });
  expect(after.report!.areaUnderRoc).toEqual({ value: 1, low: 1, high: 1 });
  expect(after.report!.calibration.brier).toBeLessThan(before.report!.calibration.brier);
  // Each of two different solutions is computed once.
  expect(after.tokens).toBeLessThan(3 * 64);
});

test("judgements and a report with their reliability are written into a folder, and into no other's", async () => {
  const out = join(scratch, "judged");
  const { files, report, solutions } = await judgeSteps({ model, prm: join(scratch, "run"), data, out });
  const kept = JSON.parse(readFileSync(join(out, "judgements.json"), "utf8"));
  expect(kept).toMatchObject(JSON.parse(JSON.stringify({ model, data, solutions, report })));
  const page = readFileSync(files!.page, "utf8");
  for (const part of ["Scores and what came true", 'aria-label="dot"', "base rate", "3 + 4 = 7"])
    expect(page).toContain(part);
  expect(readFileSync(files!.markdown, "utf8")).toMatch(/0\.\d to [01]\.\d +\| +6 /);
  // The same again may be written over it.
  await judgeSteps({ model, data: file("unlabelled.jsonl", [{ question, text: "7" }]), out });
  expect(readFileSync(files!.page, "utf8")).toContain("No step has a label");
  writeFileSync(join(out, "notes.txt"), "mine");
  await expect(judgeSteps({ model, data, out })).rejects.toThrow(
    "judged holds something else; choose another",
  );
});

test("solutions without labels are split into steps", async () => {
  const texts = file("texts.jsonl", [
    { question, text: "3 + 4 = 7\n\nHe has 7 pens.\n#### 7", prompt: "Say why." },
    { question, text: "7" },
  ]);
  const { solutions, report } = await judgeSteps({ model, data: texts, limit: 1 });
  expect(solutions.map(({ steps }) => steps.map(({ text }) => text))).toEqual([
    ["3 + 4 = 7", "He has 7 pens.", "#### 7"],
  ]);
  expect(report).toBeUndefined();
});

test("what cannot be judged is refused with its line", async () => {
  const judge = (row: object) => judgeSteps({ model, data: file("bad.jsonl", [row]) });
  await expect(judge({ question })).rejects.toThrow('line 1: there is no field "completions", "text"');
  await expect(judge({ question, text: " \n " })).rejects.toThrow("line 1: the solution is neither");
  await expect(judge({ question, completions: ["a", ""] })).rejects.toThrow(
    "line 1: the solution is neither",
  );
  await expect(judge({ ...rows[0], labels: [true] })).rejects.toThrow(
    "line 1: there are 2 steps and 1 labels",
  );
  const turns = ["user", "assistant", "user"].map((role) => ({ role, content: "3 + 4?" }));
  await expect(judge({ ...rows[0], prompt: turns })).rejects.toThrow("a conversation of 3 messages");
  const long = Array.from({ length: 300 }, () => "3 + 4 = 7 pens.");
  await expect(judge({ question, completions: long })).rejects.toThrow(
    /line 1: .* does not fit into the context/,
  );
});

test("an adapter of another base model is refused", async () => {
  const stranger = join(scratch, "stranger");
  cpSync(model, stranger, { recursive: true });
  const weights = join(stranger, "model.safetensors");
  const bytes = readFileSync(weights);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(weights, bytes);
  await expect(judgeSteps({ model: stranger, prm: join(scratch, "run"), data })).rejects.toThrow(
    "was trained on another base model than the one given",
  );
});

test("steps without labels have no report, and of one kind of label no area", () => {
  const step = { text: "3 + 4 = 7", reward: 0.75 };
  expect(reportSteps([{ question, steps: [step] }])).toBeUndefined();
  const report = reportSteps([{ question, steps: [step, { ...step, label: 1 }] }]);
  expect(report).toMatchObject({
    steps: 1,
    areaUnderRoc: null,
    calibration: { expectedError: 0.25, brier: 0.0625 },
  });
});
