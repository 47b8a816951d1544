import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { InputError } from "../core/errors.ts";
import { createRegistry } from "../evaluation/tasks/registry.ts";
import { defineTask, type TaskDefinitionInput } from "../evaluation/tasks/task-definition.ts";
import type { TaskEntry } from "../evaluation/tasks/task-entry.ts";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { type AlignmentOptions, alignmentScores, measureAlignment } from "./align.ts";
import { wordsOf } from "./words.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-align-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const device = openDevice("cpu", { threads: 1 });
const model = await openModel("fixtures/embedded-model");
const domains = ["math", "commonsense", "computing"];
const fileOf = (domain: string, split: string) => `fixtures/miniature/${domain}-${split}.jsonl`;
const trainingData = domains.map((name) => ({ name, path: fileOf(name, "train") }));

function defineEntry(task: string, fields: Partial<TaskDefinitionInput>): TaskEntry {
  const definition = defineTask({
    task,
    dataset_path: "json",
    test_split: "test",
    doc_to_text: "Question: {{question}}\nAnswer:",
    doc_to_target: "{{answer}}",
    ...fields,
  });
  return { name: task, description: "", items: undefined, licence: "", definition };
}

const held = (domain: string, fields: Partial<TaskDefinitionInput> = {}) =>
  defineEntry(domain, {
    dataset_kwargs: { data_files: { test: fileOf(domain, "held-out"), train: fileOf(domain, "train") } },
    ...fields,
  });
const registry = createRegistry(domains.map((domain) => held(domain)));

const measure = (
  data: readonly { name: string; path: string }[],
  tasks: string[],
  options: AlignmentOptions = {},
) => measureAlignment(model, data, tasks, { device, registry, samples: 24, ...options });

function write(name: string, rows: readonly object[]): string {
  const path = join(scratch, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

const readItems = (domain: string): { question: string; answer: string }[] =>
  readFileSync(fileOf(domain, "held-out"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("the three domains of the embedded model", async () => {
  const { alignments, data, benchmarks } = await measure(trainingData, domains);

  test("each task is fitted best by the data of its own domain, and each set of data fits its own best", () => {
    for (const score of alignmentScores) {
      for (const domain of domains) {
        const own = alignments.find(({ data, task }) => data === domain && task === domain)![score]!;
        for (const other of alignments.filter(({ data, task }) => (data === domain) !== (task === domain)))
          expect(other[score]!, `${score} of ${other.data}, ${other.task}`).toBeLessThan(own);
      }
    }
  });

  test("the sets are described", () => {
    expect(data).toEqual(domains.map((name) => ({ name, rows: 600, samples: 24 })));
    expect(benchmarks).toEqual(
      domains.map((name) => ({ name, items: 100, samples: 24, knownByItems: [name] })),
    );
  });

  test("pairs measured alone have the same scores, and another seed draws others", async () => {
    const alone = await measure([trainingData[0]!], ["computing"]);
    expect(alone.alignments[0]).toEqual(alignments[2]);
    const other = await measure([trainingData[0]!], ["computing"], { seed: 1 });
    for (const score of alignmentScores) expect(other.alignments[0]![score]).not.toBe(alignments[2]![score]);
  });
});

test("a task is known by its examples that are not evaluated, and a group by those of its tasks", async () => {
  const group = createRegistry(
    [
      held("math", { training_split: "train", num_fewshot: 3, description: "Solve this." }),
      held("computing"),
    ],
    [{ name: "both", version: "1", description: "", tasks: ["math", "computing"], aggregate: [] }],
  );
  const items = readItems("computing");
  const known = items.findIndex(({ question }) => wordsOf(question).length >= 13);
  const path = write("both.jsonl", [
    { question: "What is 1 + 1?", answer: "2" },
    items[known]!,
    ...readItems("math").slice(0, 9),
  ]);
  const result = await measure([{ name: "leak", path }], ["math", "both"], { registry: group, limit: 60 });
  expect(result.benchmarks).toEqual([
    { name: "math", items: 60, samples: 24, knownByItems: [] },
    { name: "both", items: 120, samples: 24, knownByItems: ["computing"] },
  ]);
  const [math, both] = result.alignments;
  expect(math!.overlaps.map(({ docId, line }) => [docId, line])).toContainEqual([0, 3]);
  expect(both!.contaminated).toContain(60 + known);
  expect(both!.contaminated.slice(0, math!.contaminated.length)).toEqual(math!.contaminated);
  expect(both!.overlaps.find(({ task }) => task === "computing")).toMatchObject({ docId: known, line: 2 });
});

test("choices give the correct one, and whole texts are answers without a question", async () => {
  const rows = readItems("commonsense").map(({ question, answer }, i) => ({
    question,
    options: i % 2 ? [answer, "No."] : ["No.", answer],
    label: i % 2 ? 0 : 1,
  }));
  const path = write("choices.jsonl", rows);
  const data_files = { test: path };
  const kinds = createRegistry([
    defineEntry("chosen", {
      dataset_kwargs: { data_files },
      output_type: "multiple_choice",
      doc_to_choice: "options",
      doc_to_target: "label",
    }),
    defineEntry("text", {
      dataset_kwargs: { data_files: { test: write("texts.jsonl", readItems("math")) } },
      output_type: "loglikelihood_rolling",
      doc_to_text: "",
      doc_to_target: "{{question}} {{answer}}",
    }),
    held("commonsense"),
  ]);
  const { alignments } = await measure(trainingData.slice(0, 2), ["chosen", "text", "commonsense"], {
    registry: kinds,
  });
  const [mathChosen, mathText, , commonChosen, commonText, common] = alignments;
  expect(commonChosen!.lexical).toBeCloseTo(common!.lexical!, 6);
  expect(commonChosen!.gradient).toBeCloseTo(common!.gradient!, 4);
  for (const score of alignmentScores) {
    expect(commonChosen![score]!).toBeGreaterThan(mathChosen![score]!);
    expect(mathText![score]!).toBeGreaterThan(commonText![score]!);
  }
});

test("what cannot be measured is told", async () => {
  const refusal = async (run: Promise<unknown>) => {
    const error = await run.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  };
  const [math] = trainingData;
  expect(await refusal(measure([], ["math"]))).toContain("There are no data");
  expect(await refusal(measure([math!, math!], ["math"]))).toContain("Two sets of data are named math");
  expect(await refusal(measure([math!], ["math"], { samples: 1 }))).toContain("at least 2 samples");
  expect(await refusal(measure([math!], ["maths"]))).toContain("similar names are math");
  expect(await refusal(measure([{ name: "none", path: write("none.jsonl", []) }], ["math"]))).toContain(
    "holds no examples",
  );
  const single = write("single.jsonl", [{ question: "What is 1 + 1?", answer: "2" }]);
  const { alignments } = await measure([{ name: "single", path: single }], ["math"]);
  expect(alignments[0]).toMatchObject({ representation: null, gradient: null, lexical: null });
});
