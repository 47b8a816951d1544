import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Answer } from "../language-model.ts";
import { metricNamesOf } from "../metrics/metrics.ts";
import { prepareTask } from "../prepare.ts";
import { defineTask, type TaskDefinitionInput } from "../tasks/task-definition.ts";
import { type OutputTypeName, outputTypeNames, outputTypes } from "./output-types.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-output-types-"));
afterAll(() => rmSync(scratch, { recursive: true }));

interface Case {
  readonly fields: Pick<TaskDefinitionInput, "doc_to_target" | "doc_to_choice">;
  readonly answers: readonly Answer[];
  readonly solved: readonly [question: string, answer: string];
  readonly lines: readonly string[];
}

/** How an item with "2 + 2 is" and "4" is asked, and shown with answers. */
const cases: Readonly<Record<OutputTypeName, Case>> = {
  multiple_choice: {
    fields: { doc_to_target: 1, doc_to_choice: ["5", "4"] },
    answers: [
      { logLikelihood: -1.5, isGreedy: false },
      { logLikelihood: -0.25, isGreedy: true },
    ],
    solved: ["2 + 2 is", " 4"],
    lines: ["2 + 2 is", "── choices ──", '  -1.5000 " 5"', '✓ -0.2500 " 4"'],
  },
  generate_until: {
    fields: { doc_to_target: "{{a}}" },
    answers: [{ text: "4, I think", tokens: 5 }],
    solved: ["2 + 2 is", " 4"],
    lines: ["2 + 2 is", "── answer ──", "4, I think", "── target ──", "4"],
  },
  loglikelihood_rolling: {
    fields: { doc_to_target: "{{q}} {{a}}" },
    answers: [-2],
    solved: ["", "2 + 2 is 4"],
    lines: ["2 + 2 is 4", "── log-likelihood ──", "-2.0000"],
  },
  loglikelihood: {
    fields: { doc_to_target: " {{a}}" },
    answers: [{ logLikelihood: -0.5, isGreedy: false }],
    solved: ["2 + 2 is", " 4"],
    lines: ["2 + 2 is", "── continuation ──", '-0.5000 " 4", not the likeliest'],
  },
};

test.each(outputTypeNames)("an item of %s with its correct answer, and as people read it", async (name) => {
  const { fields, answers, solved, lines } = cases[name];
  const path = join(scratch, "rows.jsonl");
  writeFileSync(path, JSON.stringify({ q: "2 + 2 is", a: "4" }));
  const definition = defineTask({
    task: "own",
    output_type: name,
    dataset_path: "json",
    dataset_kwargs: { data_files: { test: path } },
    test_split: "test",
    doc_to_text: "{{q}}",
    ...fields,
  });
  const { instances, metrics } = await prepareTask({
    name: "own",
    description: "",
    items: 1,
    licence: "",
    definition,
  });
  const type = outputTypes[name];
  const [question, answer] = solved;
  expect(type.solve(instances[0]!, " ")).toEqual({ question, answer });
  expect(type.render(instances[0]!, answers)).toEqual(lines);
  expect(metrics.map(({ metric }) => metric)).toEqual([
    ...type.defaultMetrics,
    ...(type.furtherMetrics ?? []),
  ]);
  for (const { metric } of metrics) expect(metricNamesOf(name)).toContain(metric);
});
