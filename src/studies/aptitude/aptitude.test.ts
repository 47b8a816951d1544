import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { readRows } from "../../node/formats/rows.ts";
import { resumeStudy, runStudy } from "../run-study.ts";
import { parseStudyConfig, type StudyOptions } from "../study-config.ts";
import { studyFolder } from "../study-folder.ts";
import { rebuildReport } from "../study-report.ts";
import { readPairs } from "./pairs.ts";

vi.mock("../run-part.ts", () => import("../in-process.fixture.ts"));
// Interpreters run built files (npm test builds them first); what they block is tested elsewhere.
vi.mock("../../sandbox/code-runner.ts", async () => {
  const { createCodeRunner } = await import(
    new URL("../../../dist/sandbox/code-runner.js", import.meta.url).href
  );
  return { createCodeRunner: () => createCodeRunner({ runner: "unsafe", isolation: "process" }) };
});

const scratch = mkdtempSync(join(tmpdir(), "slimtune-aptitude-study-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const out = join(scratch, "study");

/** The miniature study with less of everything: too little to answer anything, so aptitudes are likelihoods. */
const shown = parse(readFileSync("docs/results/miniature-aptitude/study.yaml", "utf8"));
const study: StudyOptions<"aptitude"> = {
  ...shown,
  limit: 4,
  queries: 12,
  anchors: 3,
  aptitudes: "likelihood",
  held_out: 4,
  warm_up: 8,
  decisions: ["one:50", "words:30"],
  random_draws: 2,
  max_tokens: 24,
  run: { ...shown.run, num_train_epochs: 1 },
  runs: {},
};

const rowsOf = async (name: string) => {
  const rows: Record<string, unknown>[] = [];
  for await (const { fields } of readRows(join(out, "data", `${name}.jsonl`))) rows.push({ ...fields });
  return rows;
};

test("models are tuned in words, as programs and by choice, and asked with one prompt", async () => {
  const parts: string[] = [];
  const { outcome, results, report } = await runStudy(study, out, {
    onPart: ({ number, of, name }, reason) => void parts.push(`${number}/${of} ${name}${reason ?? ""}`),
  });
  expect(outcome).toBe("finished");
  expect(parts).toEqual(
    [
      ...["pairs", "warm-up: tuning", "anchors", "aptitudes"],
      ...["words", "programs", "both"].flatMap((id) => [`${id}: tuning`, `${id}: reasoning`]),
      ...["tata-one-50", "tata-words-30"].flatMap((id) => [`${id}: tuning`, `${id}: held-out problems`]),
      "tata: reasoning",
      ...["random-1", "random-2"].flatMap((id) => [`${id}: tuning`, `${id}: reasoning`]),
    ].map((name, i) => `${i + 1}/19 ${name}`),
  );
  const { cells, comparisons, aptitudes, anchors, decision, oracle } = results!;
  expect(aptitudes).toHaveLength(12);
  for (const { words, program } of aptitudes) expect(Math.max(words, program)).toBeLessThan(0);
  expect(anchors).toHaveLength(3);
  expect(anchors.reduce((sum, { queries }) => sum + queries, 0)).toBe(12);
  expect(comparisons.map(({ against }) => against)).toEqual([
    "random choice",
    "words only (CoT)",
    "programs only (TIR)",
    "both (CoT+TIR)",
  ]);
  const cell = (id: string) => cells.find((one) => one.id === id)!;
  expect(cell("both").training).toMatchObject({ words: 12, programs: 12 });
  const best = cell(`tata-${decision.replace(":", "-")}`);
  for (const draw of ["random-1", "random-2"]) {
    const { words, programs } = best.training!;
    expect(cell(draw).training).toMatchObject({ words, programs });
  }
  const gain = cell("tata").asked![0]!.accuracy.value - cell("words").asked![0]!.accuracy.value;
  expect(comparisons[1]!.accuracy.value).toBeCloseTo(gain, 12);
  for (const id of ["words", "programs"])
    expect(oracle[0]!.accuracy.value).toBeGreaterThanOrEqual(cell(id).asked![0]!.accuracy.value);
  expect(readFileSync(report!, "utf8")).toContain("Aptitudes, and what was chosen");
});

test("rows of both manners have the same prompt, and random choices are as large as the best decision's", async () => {
  const { queries } = readPairs(studyFolder(out));
  const both = await rowsOf("both");
  expect(both).toHaveLength(24);
  const user = [{ role: "user", content: queries[0]!.question }];
  expect(both.slice(0, 2)).toEqual([
    { prompt: user, completion: [{ role: "assistant", content: queries[0]!.words }] },
    { prompt: user, completion: [{ role: "assistant", content: queries[0]!.program }] },
  ]);
  expect(queries[0]!.words).not.toContain("<<");
  expect(queries[0]!.program).toMatch(/^```python\n[\s\S]*```output\n[\s\S]*\\boxed\{\d+\}\.$/);
  const [first] = await rowsOf("warm-up");
  expect(first!.prompt).toHaveLength(3);
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
  [{ anchors: 25 }, "25 anchors cannot be chosen among 12 queries; take more queries, or fewer anchors."],
  [{ tasks: undefined }, "no task is named, and fixtures/miniature/sizes-train.jsonl is no split of one"],
  [{ decisions: ["one:50", "one:50"] }, '"decisions" names one:50 twice; name it once.'],
  [{ decisions: ["half"] }, '"half" is no decision; write words, programs or one'],
  [{ runs: { tata: {} } }, '"runs" names tata, which is none of warm-up, words,'],
  [{ run: { objective: "dpo" } }, '"run" sets "objective", which the study decides.'],
  [{ run: { learning_rat: 1 } }, "learning_rat"],
] as const)("options that contradict each other are refused: %#", ([options, message]) => {
  expect(() => parseStudyConfig({ ...study, ...options }, "study.yaml")).toThrow(message);
});

test("data without programs, too few of them, or too few different questions end with one sentence", async () => {
  const data = join(scratch, "rows.jsonl");
  const ask = (rows: readonly object[], options: object = {}) => {
    writeFileSync(data, rows.map((row) => JSON.stringify(row)).join("\n"));
    const folder = join(scratch, `refused-${Math.random()}`);
    return runStudy({ ...study, data, queries: 3, anchors: 2, held_out: 1, warm_up: 0, ...options }, folder);
  };
  const plain = Array.from({ length: 6 }, (_, i) => ({
    question: `What is 1 + ${i}?`,
    answer: `#### ${1 + i}`,
  }));
  await expect(ask(plain)).rejects.toThrow(
    "No solution of " +
      data +
      " became a program that gives its answer; give solutions with calculations annotated",
  );
  const wrong = plain.map((row) => ({ ...row, program: "print(0)" }));
  await expect(ask(wrong)).rejects.toThrow("became a program that gives its answer");
  const right = plain.map((row, i) => ({ ...row, program: `print(1 + ${i})` }));
  await expect(ask(right.slice(0, 3))).rejects.toThrow(
    "Only 3 of the 3 problems of " +
      data +
      " have a program that gives their answer, but 3 queries, 1 held-out",
  );
  await expect(ask(Array(6).fill(right[0]))).rejects.toThrow(
    "are 1 different questions, too few for 2 anchors",
  );
});
