/** Evaluates a model on a task of your own, whose items, prompts and choices are made by functions. */

import { createRegistry, defineTask, runEvaluation } from "slimtune";

const sums = defineTask({
  task: "sums",
  dataset_path: "fixtures/miniature/math-held-out.jsonl",
  test_split: "train",
  output_type: "multiple_choice",
  // Of a word problem's answer, such as "3 + 9 = 12\n#### 12", the first calculation.
  process_docs({ answer }) {
    const [, calculation, result] = /^(.+) = (\d+)/.exec(String(answer))!;
    return { calculation, result: Number(result) };
  },
  doc_to_text: ({ calculation }) => `${calculation} =`,
  doc_to_choice: ({ result }) => [-2, -1, 0, 1, 2].map((by) => String(Number(result) + by)),
  doc_to_target: 2,
  metric_list: [{ metric: "acc" }],
});
const description = "Sums, differences, products and quotients of small numbers.";
const entry = { name: "sums", description, items: undefined, licence: "ours", definition: sums };

const { evaluation } = await runEvaluation({
  model: "fixtures/embedded-model",
  tasks: ["sums"],
  registry: createRegistry([entry], []),
  out: "runs/examples/sums",
});

const [task] = evaluation.tasks;
const { value, interval, size } = task!.scores[0]!;
const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
console.log(`${percent(value)} of ${size} calculations are right, where one in five would be by chance;`);
console.log(
  `over endlessly many it would be between ${percent(interval!.low)} and ${percent(interval!.high)}.`,
);
