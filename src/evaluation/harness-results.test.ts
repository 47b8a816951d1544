import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { noUsage } from "../node/efficiency/resource-watch.ts";
import { evaluate, type TaskGroup } from "./evaluate.ts";
import { createHashModel } from "./hash-model.fixture.ts";
import type { Request } from "./language-model.ts";
import { describeResults, type EvaluationContext } from "./results.ts";
import { describeSample, type SampleLine } from "./samples.ts";
import type { Instance, PreparedTask } from "./task.ts";

// Written by the harness itself, with a model that answers as ours; see reference/harness_results.py.
const golden: {
  results: Record<string, never>;
  samples: Record<string, (SampleLine & { target: string })[]>;
} = JSON.parse(readFileSync("fixtures/evaluation/harness-results.json", "utf8"));

/** A task as the harness had prepared it, from its log. */
function taskOf(name: string): PreparedTask {
  const config: Record<string, never> = golden.results.configs![name]!;
  const lines = golden.samples[name]!;
  return {
    name,
    version: String(golden.results.versions![name]),
    outputType: config.output_type!,
    numFewshot: 0,
    instances: lines.filter(({ filter }) => filter === lines[0]!.filter).map(instanceOf),
    size: (golden.results["n-samples"]![name] as { original: number }).original,
    metrics: config.metric_list!,
    filters: config.filter_list ?? [],
    promptHash: "…",
    config,
  };
}

function instanceOf({ doc_id, doc, target, arguments: calls }: SampleLine): Instance {
  const [first, ...others] = Object.values(calls);
  const { arg_0: context, arg_1: rest } = first as { arg_0: string; arg_1?: string | never };
  const item = { docId: doc_id, doc, target, reference: undefined };
  if (rest === undefined) {
    const requests = [{ type: "loglikelihood_rolling", text: context }] as const;
    return { ...item, requests, reference: { original: target } };
  }
  if (typeof rest !== "string")
    return { ...item, requests: [{ type: "generate_until", context, options: rest }] };
  const requests = [first!, ...others].map(
    ({ arg_0, arg_1 }) => ({ type: "loglikelihood", context: arg_0, continuation: arg_1 }) as Request,
  );
  const gold = Number(target);
  return { ...item, target: gold, requests, reference: { choices: doc.choices, gold } };
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

const evaluation = evaluate(createHashModel(), ["tiny_a", "tiny_b", "tiny_sums", "tiny_text"].map(taskOf), [
  group,
]);

test("each item is logged as the harness logs it", async () => {
  for (const { task, samples } of (await evaluation).tasks) {
    expect(samples.map((sample) => JSON.parse(JSON.stringify(describeSample(sample))))).toEqual(
      golden.samples[task.name],
    );
  }
});

test("the results have the harness's numbers under its names", async () => {
  const { tasks } = await evaluation;
  const samples = new Map(tasks.map(({ task, samples }) => [task.name, samples.map(describeSample)]));
  const written = JSON.parse(JSON.stringify(describeResults(await evaluation, samples, context)));
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
        if (typeof value === "number") expect(shared[key][name][metric] / value).toBeCloseTo(1, 14);
        else expect(shared[key][name][metric]).toEqual(value);
      }
    }
  }
});
