/** Evaluates a model on a task of your own, with a prompt and a judge that are functions. */

import { createRegistry, defineTask, runEvaluation } from "slimtune";

/** The number after "####", as in GSM8K. */
const resultOf = (text: string) => /#### (\d+)/.exec(text)?.[1];

const additions = defineTask({
  task: "additions",
  dataset_path: "fixtures/miniature/math-held-out.jsonl",
  test_split: "train",
  doc_to_text: ({ question }) => String(question),
  doc_to_target: ({ answer }) => String(answer),
  generation_kwargs: { until: ["<|end|>"], max_gen_toks: 60 },
  metric_list: [
    { metric: "judged", judge: (answer, target) => Number(resultOf(answer) === resultOf(target)) },
  ],
});

const registry = createRegistry(
  [
    {
      name: "additions",
      description: "Word problems with small numbers.",
      items: undefined,
      licence: "ours",
      definition: additions,
    },
  ],
  [],
);

const { evaluation, samples } = await runEvaluation({
  model: "fixtures/embedded-model",
  tasks: ["additions"],
  registry,
  limit: 40,
  applyChatTemplate: true,
  cache: false,
  out: "runs/examples/additions",
});

const { value, size } = evaluation.tasks[0]!.scores[0]!;
console.log(`${(100 * value).toFixed(0)} % of ${size} word problems are solved.`);
for (const { doc, resps } of samples.get("additions")!.slice(0, 3))
  console.log(`${doc.question}\n  ${resps[0]}`);
