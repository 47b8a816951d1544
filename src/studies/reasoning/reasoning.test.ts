import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { readRows } from "../../node/formats/rows.ts";
import { resumeStudy, runStudy } from "../run-study.ts";
import { parseStudyConfig, type StudyOptions } from "../study-config.ts";
import { rebuildReport } from "../study-report.ts";

vi.mock("../run-part.ts", () => import("../in-process.fixture.ts"));

const scratch = mkdtempSync(join(tmpdir(), "slimtune-reasoning-study-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const out = join(scratch, "study");

/** The study that the documentation shows, with less of everything. */
const shown = parse(readFileSync("docs/results/miniature-reasoning/study.yaml", "utf8"));
const study: StudyOptions<"reasoning"> = {
  ...shown,
  limit: 4,
  data: "fixtures/miniature/math-train.jsonl",
  data_limit: 160,
  training: ["sft", "shortest-correct:1", "correct:each=1,correct=1", "grpo"],
  sampled_problems: 16,
  samples: 6,
  max_tokens: 32,
  strategies: ["cot", "cut:16", "sc:4", "sc-early:4"],
  strategies_of: {},
  run: { ...shown.run, num_train_epochs: 2 },
  runs: { grpo: { max_steps: 2, batch_size: 4, num_generations: 4 } },
};

const rowsOf = async (name: string) => {
  const rows: Record<string, unknown>[] = [];
  for await (const { fields } of readRows(join(out, "data", `${name}.jsonl`))) rows.push({ ...fields });
  return rows;
};

test("models are tuned to solve problems, briefly, and asked by the same strategies", async () => {
  const parts: string[] = [];
  const { outcome, results, report } = await runStudy(study, out, {
    onPlan: ({ estimate }) => expect(estimate).toBeUndefined(),
    onPart: ({ number, of, name }, reason) => void parts.push(`${number}/${of} ${name}${reason ?? ""}`),
  });
  expect(outcome).toBe("finished");
  expect(parts).toEqual([
    "1/10 base: reasoning",
    "2/10 sft: tuning",
    "3/10 sft: reasoning",
    "4/10 sft: rollouts",
    "5/10 shortest-correct-1: tuning",
    "6/10 shortest-correct-1: reasoning",
    "7/10 correct-each-1-correct-1: tuning",
    "8/10 correct-each-1-correct-1: reasoning",
    "9/10 grpo: tuning",
    "10/10 grpo: reasoning",
  ]);
  const { base, cells, comparisons, rollouts } = results!;
  const [sft, shortest, , grpo] = cells;
  const first = ({ curves }: Pick<typeof base, "curves">) => curves[0]!.points[0]!;
  expect(cells.map(({ name, from }) => `${name} from ${from}`)).toEqual([
    "sft from base",
    "shortest-correct:1 from sft",
    "correct:each=1,correct=1 from sft",
    "grpo from sft",
  ]);
  expect(rollouts).toMatchObject({ problems: 16, samples: 96 });
  expect(comparisons.map(({ model, against }) => `${model} against ${against}`)).toEqual([
    "sft against base",
    "shortest-correct:1 against sft",
    "shortest-correct:1 against correct:each=1,correct=1",
    "correct:each=1,correct=1 against sft",
    "grpo against sft",
  ]);
  const [ofSft] = comparisons;
  const gain = first({ curves: sft!.curves! }).accuracy.value - first(base).accuracy.value;
  expect(ofSft!.difference.accuracy.value).toBeCloseTo(gain, 12);
  expect(ofSft!.accuracy).toEqual(first({ curves: sft!.curves! }).accuracy);
  expect(grpo!.training).toMatchObject({ rows: 16, steps: 2, written: [{}, {}] });
  expect(grpo!.training!.written![0]!.tokens).toBeGreaterThan(1);
  expect(shortest!.training!.rows).toBe((await rowsOf("shortest-correct-1")).length);
  expect(readFileSync(report!, "utf8")).toContain("<h2>Models</h2>");
});

test("models are tuned on the prompts that they are asked", async () => {
  const [worked] = await rowsOf("sft");
  const [chosen] = await rowsOf("shortest-correct-1");
  const [rewarded] = await rowsOf("grpo");
  expect(worked).toMatchObject({
    completion: [{ role: "assistant", content: expect.stringContaining("####") }],
  });
  for (const { prompt } of [worked!, chosen!, rewarded!]) {
    expect(prompt).toEqual([{ role: "user", content: expect.stringMatching(/\?$/) }]);
  }
  expect(rewarded!.answer).toMatch(/^\d+$/);
});

test("the report is written again from the folders, or from study.json alone; nothing is computed twice", async () => {
  const whole = readFileSync(join(out, "report.html"), "utf8");
  const parts: string[] = [];
  await resumeStudy(out, { onPart: ({ name }) => void parts.push(name) });
  expect(parts).toEqual([]);
  const alone = join(scratch, "alone");
  mkdirSync(alone);
  cpSync(join(out, "study.json"), join(alone, "study.json"));
  for (const folder of [out, alone]) {
    const { page } = await rebuildReport(folder);
    expect(readFileSync(page, "utf8")).toBe(whole);
  }
});

test.for([
  [
    { training: ["sft", "shortest-corect"] },
    'there is no training "shortest-corect"; there are sft, programs,',
  ],
  [{ training: ["grpo", "grpo"] }, '"training" names grpo twice; name it once.'],
  [{ runs: { rloo: {} } }, '"runs" names rloo, which is none of sft,'],
  [{ run: { objective: "dpo" } }, '"run" sets "objective", which the study decides.'],
  [{ run: { learning_rat: 1 } }, "learning_rat"],
  [{ strategies: ["sc"] }, "sc"],
  [{ strategies_of: { sft: ["cott"] } }, "cott"],
] as const)("options that contradict each other are refused: %#", ([options, message]) => {
  expect(() => parseStudyConfig({ ...study, ...options }, "study.yaml")).toThrow(message);
});

test("what is missing, or cannot be asked, is told before anything is written", async () => {
  const folder = join(scratch, "missing");
  await expect(runStudy({ ...study, data: "nowhere.jsonl" }, folder)).rejects.toThrow("nowhere.jsonl");
  await expect(runStudy({ ...study, tasks: ["hellaswag"] }, folder)).rejects.toThrow("hellaswag");
});
