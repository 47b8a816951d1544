import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { noUsage } from "../node/efficiency/resource-watch.ts";
import { evaluate, type TaskGroup } from "./evaluate.ts";
import { createHashModel } from "./hash-model.fixture.ts";
import { prepareTask } from "./prepare.ts";
import { describeResults, type EvaluationContext } from "./results.ts";
import { describeSample, type SampleLine } from "./samples.ts";
import type { PreparedTask } from "./task.ts";
import { defineTask, type TaskDefinitionInput } from "./tasks/task-definition.ts";

// Written by the harness itself, with a model that answers as ours; see reference/harness_results.py.
const golden: {
  results: Record<string, never>;
  samples: Record<string, (SampleLine & { target: string })[]>;
} = JSON.parse(readFileSync("fixtures/evaluation/harness-results.json", "utf8"));

const scratch = mkdtempSync(join(tmpdir(), "slimtune-harness-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A task of the harness, prepared from its definition and its items. */
async function taskOf(name: string): Promise<PreparedTask> {
  const config: TaskDefinitionInput & PreparedTask["config"] = golden.results.configs![name]!;
  const [first] = golden.samples[name]!;
  const docs = golden.samples[name]!.filter(({ filter }) => filter === first!.filter).map(({ doc }) => doc);
  const test = join(scratch, `${name}.jsonl`);
  writeFileSync(test, docs.map((doc) => `${JSON.stringify(doc)}\n`).join(""));
  const definition = defineTask({ ...config, dataset_kwargs: { data_files: { test } } });
  const prepared = await prepareTask({ name, description: "", items: undefined, licence: "", definition });
  const { original } = golden.results["n-samples"]![name] as { original: number };
  return { ...prepared, size: original, config };
}

const group: TaskGroup = {
  name: "tiny_group",
  version: "2",
  tasks: ["tiny_a", "tiny_b"],
  aggregate: [{ metric: "acc", weightBySize: true }],
};
const context: EvaluationContext = {
  model: { name: "hash-model", sha256: "…", storage: "float32", bits: "exact", adapter: null },
  settings: {
    limit: 11,
    num_fewshot: null,
    apply_chat_template: false,
    fewshot_as_multiturn: true,
    system_instruction: null,
    fewshot_seed: 1234,
  },
  batchSize: null,
  maxLength: 1024,
  chatTemplate: undefined,
  startedAt: new Date(0),
  totalSeconds: 1,
  requests: { asked: 1, found: 0 },
  usage: noUsage,
};

const evaluation = Promise.all(Object.keys(golden.samples).map(taskOf)).then((tasks) =>
  evaluate(createHashModel(), tasks, [group]),
);

/** What is written, without what the harness has not. */
function shareOf(written: unknown): ReturnType<typeof JSON.parse> {
  const further = /^bits_per_byte_gold/;
  return JSON.parse(JSON.stringify(written), (key, value) => {
    if (further.test(key)) return undefined;
    return Array.isArray(value) ? value.filter((entry) => !further.test(entry)) : value;
  });
}

test("each item is logged as the harness logs it", async () => {
  for (const { task, samples } of (await evaluation).tasks) {
    expect(shareOf(samples.map(describeSample))).toEqual(golden.samples[task.name]);
  }
});

test("the results have the harness's numbers under its names", async () => {
  const { tasks } = await evaluation;
  const samples = new Map(tasks.map(({ task, samples }) => [task.name, samples.map(describeSample)]));
  const written = shareOf(describeResults(await evaluation, samples, context));
  const { slimtune: _, max_length, ...shared } = written;
  expect(Object.keys(shared)).toEqual(Object.keys(golden.results));
  expect(max_length).toBe(1024);
  for (const key of ["group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples"]) {
    expect(shared[key], key).toEqual(golden.results[key]);
    expect(Object.keys(shared[key]), key).toEqual(Object.keys(golden.results[key]!));
  }
  for (const key of [
    "task_hashes",
    "model_name",
    "model_name_sanitized",
    "system_instruction",
    "chat_template",
  ]) {
    expect(shared[key], key).toEqual(golden.results[key]);
  }
  expect(Object.keys(shared.config)).toEqual(Object.keys(golden.results.config!));
  for (const key of ["results", "groups"]) {
    expect(Object.keys(shared[key])).toEqual(Object.keys(golden.results[key]!));
    for (const [name, scores] of Object.entries<Record<string, unknown>>(golden.results[key]!)) {
      expect(Object.keys(shared[key][name])).toEqual(Object.keys(scores));
      for (const [metric, value] of Object.entries(scores)) {
        // The harness draws resamples for this one, and knows no formula.
        if (metric === "perplexity_stderr,none") expect(shared[key][name][metric]).toBe("N/A");
        else if (typeof value === "number") expect(shared[key][name][metric] / value).toBeCloseTo(1, 14);
        else expect(shared[key][name][metric]).toEqual(value);
      }
    }
  }
});
