import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { writeProblems } from "../../problems/write-problems.ts";
import { writeNeutralText } from "../../retention/neutral-text.ts";
import { resumeStudy, runStudy } from "../run-study.ts";
import { parseStudyConfig, type StudyOptions } from "../study-config.ts";
import { studyFolder } from "../study-folder.ts";
import { readPrompts } from "./prompts.ts";
import type { CausalResults } from "./results.ts";

vi.mock("../run-part.ts", () => import("../in-process.fixture.ts"));
// How fast this machine is takes long to measure, and nothing here depends on it.
vi.mock("../../core/engine/product-rate.ts", () => ({ measureProductRate: async () => 1e10 }));

const scratch = mkdtempSync(join(tmpdir(), "slimtune-causal-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const out = join(scratch, "study");
const problems = (name: string) => join(scratch, name);
for (const set of ["letters", "dates"] as const)
  await writeProblems({ set, rows: 16, items: 4, out: problems(set) });
const neutral = join(scratch, "neutral.txt");
writeFileSync(neutral, writeNeutralText(4));

const study: StudyOptions<"causal"> = {
  kind: "causal",
  model: "fixtures/embedded-model",
  data: {
    letters: join(problems("letters"), "train.jsonl"),
    dates: join(problems("dates"), "train.jsonl"),
  },
  tasks: ["letters", "letters_longer", "dates"],
  task_files: [problems("letters"), problems("dates")],
  aligned: { letters: ["letters", "letters_longer"], dates: ["dates"] },
  seeds: [1],
  baselines: ["lora"],
  causal_weights: [0, 1],
  shared_prompts: [2],
  neutral_text: neutral,
  run: { max_steps: 3, batch_size: 4, validation: 0, learning_rate: 0.02 },
  method_options: { dca: { adaption_prompt: { adapter_len: 4 } } },
};

test("models with the term are compared with those without, and their prompts are taken apart", async () => {
  const parts: string[] = [];
  const { outcome, results, report } = await runStudy(study, out, {
    onPart: ({ name }, reason) =>
      void parts.push([name, reason].filter((text) => text !== undefined).join(": ")),
  });
  expect(outcome).toBe("finished");
  expect(parts.filter((name) => name.includes("prompts")).map((name) => name.replace(/.*: /, ""))).toEqual(
    new Array(4).fill("prompts"),
  );
  const ids = ["letters", "dates"].flatMap((data) =>
    ["lora-DATA", "dca-DATA-causal-0", "dca-DATA-causal-1-shared-2"].map((id) => id.replace("DATA", data)),
  );
  const found = results as CausalResults;
  expect(found.cells.map(({ id }) => id)).toEqual(ids);
  // All models are there before prompts are exchanged between them.
  expect(parts.slice(1, 7).every((name) => name.endsWith(": tuning"))).toBe(true);

  const [lora, release, term] = found.tunings.filter(({ data }) => data === "letters");
  expect([lora!.method, release!.variant, term!.variant]).toEqual(["lora", "causal-0", "causal-1-shared-2"]);
  // 5 layers of 4 prompts and 4 gates, and a rank that comes as near as can be.
  expect(release!.trainableParameters).toBe(5 * (4 * 128 + 4));
  expect(lora!.trainableParameters).toBe(5 * (128 + 128 + 128 + 64));
  expect(lora!.splits).toEqual([]);
  expect(term!.quantities.filter(({ of }) => of === "bits").map(({ task, role }) => [task, role])).toEqual([
    ["letters", "in distribution"],
    ["letters_longer", "out of distribution"],
    ["dates", "other"],
  ]);
  for (const { value, seeds } of term!.quantities) expect(seeds).toEqual([value]);
  expect(term!.divergence.value).toBeGreaterThan(0);

  const bits = (tuning: typeof term) =>
    tuning!.quantities.find(({ of, task }) => of === "bits" && task === "letters")!.value;
  const compared = found.comparisons.find(
    (one) =>
      one.data === "letters" && one.question === "the term" && one.task === "letters" && one.of === "bits",
  )!;
  expect(compared.value).toBeCloseTo(bits(term) - bits(release), 9);
  expect(compared.adjustedP).toBeGreaterThanOrEqual(compared.p);
  expect(readFileSync(report!, "utf8")).toContain("What the prompts add");
});

test("the term makes what shared prompts add vary less; what is left out and exchanged is measured", () => {
  const of = (id: string) => readPrompts(studyFolder(out), id)!;
  const [release, term] = [of("dca-letters-causal-0"), of("dca-letters-causal-1-shared-2")];
  expect(term.splits[0]!.variance).toBeLessThan(release.splits[0]!.variance);
  for (const { losses, splits, exchangedWith } of [release, term]) {
    expect(exchangedWith).toBe("dates");
    expect(losses).toHaveLength(4);
    const [{ changed, variance, meanSquare }] = splits as [(typeof splits)[0]];
    expect(variance).toBeLessThan(meanSquare * (4 / 3));
    expect(changed.map(({ part, how }) => `${part} ${how}`)).toEqual([
      "shared removed",
      "shared exchanged",
      "particular removed",
      "particular exchanged",
    ]);
    for (const one of changed) expect(one.losses).not.toEqual(losses);
  }
});

test("a damaged file of prompts is told, and what is missing is computed again", async () => {
  const path = join(out, "runs", "dca-letters-causal-0", "prompts.json");
  const before = readFileSync(path, "utf8");
  writeFileSync(path, "{");
  await expect(resumeStudy(out)).rejects.toThrow("remove it and run the study again");
  rmSync(path);
  await resumeStudy(out);
  expect(existsSync(path)).toBe(true);
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(JSON.parse(before));
});

test.each([
  [{ causal_weights: [0.1] }, '"causal_weights" lacks 0, with which the others are compared; add it.'],
  [{ baselines: ["dca" as const] }, '"baselines" names dca, which the study computes anyway; leave it out.'],
  [{ aligned: { letters: ["letters"] } }, "no task is aligned with dates; name those of its problems"],
  [{ aligned: { ...study.aligned, dates: ["gsm8k"] } }, '"aligned" names gsm8k, which is not among "tasks"'],
  [{ shared_prompts: [5] }, '"shared_prompts" is 5, but there are 4 prompts (adapter_len); lower it.'],
  [{ run: { ...study.run, causal_weight: 1 } }, '"run" sets "causal_weight", which the study decides.'],
  [{ run: { ...study.run, batch_size: 1 } }, '"batch_size" has to be at least 2'],
])("%j is refused", (change, sentence) => {
  expect(() => parseStudyConfig({ ...study, ...change }, "The file")).toThrow(sentence);
});
