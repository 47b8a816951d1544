/** @file GSM8K: word problems of grade school (Cobbe et al. 2021), and SVAMP in its form. */

import { strip } from "../../core/python/text.ts";
import type { Doc, Filter } from "../task.ts";
import { textField } from "./doc-fields.ts";
import { defineTask, type TaskDefinitionInput } from "./task-definition.ts";
import type { TaskEntry } from "./task-entry.ts";

function filters(strictPattern: string): Filter[] {
  return [
    {
      name: "strict-match",
      filter: [{ function: "regex", regex_pattern: strictPattern }, { function: "take_first" }],
    },
    {
      name: "flexible-extract",
      filter: [
        { function: "regex", group_select: -1, regex_pattern: "(-?[$0-9.,]{2,})|(-?[0-9]+)" },
        { function: "take_first" },
      ],
    },
  ];
}

const metric_list: TaskDefinitionInput["metric_list"] = [
  {
    metric: "exact_match",
    aggregation: "mean",
    higher_is_better: true,
    ignore_case: true,
    ignore_punctuation: false,
    regexes_to_ignore: [",", "\\$", "(?s).*#### ", "\\.$"],
  },
];

const hashFilters = filters("#### (\\-?[0-9\\.\\,]+)");
// The last dot stands for any character, of which an answer at the end of the text loses a digit: the harness's own.
const sentenceFilters = filters("The answer is (\\-?[0-9\\.\\,]+).");

const dataset = { dataset_path: "openai/gsm8k", dataset_name: "main" };
const data = {
  items: 1319,
  licence: "MIT",
  local: { splits: { train: "gsm8k/train.jsonl", test: "gsm8k/test.jsonl" } },
};

const gsm8k: TaskEntry = {
  name: "gsm8k",
  description: "Word problems of grade school, after five solved examples.",
  ...data,
  definition: defineTask({
    task: "gsm8k",
    tag: ["math_word_problems"],
    ...dataset,
    training_split: "train",
    fewshot_split: "train",
    test_split: "test",
    doc_to_text: "Question: {{question}}\nAnswer:",
    doc_to_target: "{{answer}}",
    metric_list,
    generation_kwargs: {
      until: ["Question:", "</s>", "<|im_end|>"],
      do_sample: false,
      temperature: 0,
    },
    num_fewshot: 5,
    filter_list: hashFilters,
    metadata: { version: "3.0" },
  }),
};

const gsm8kCot: TaskEntry = {
  name: "gsm8k_cot",
  description: "Word problems of grade school, after eight fixed examples with reasoning.",
  ...data,
  definition: defineTask({
    task: "gsm8k_cot",
    tag: ["chain_of_thought"],
    ...dataset,
    test_split: "test",
    doc_to_text: "Q: {{question}}\nA:",
    doc_to_target: "{{answer.split('####')[-1].strip() if answer is defined else target}}",
    metric_list,
    generation_kwargs: { until: ["Q:", "</s>", "<|im_end|>"], do_sample: false },
    num_fewshot: 8,
    fewshot_config: { sampler: "first_n", samples: reasonedExamples() },
    filter_list: sentenceFilters,
    metadata: { version: "3.0" },
  }),
};

const gsm8kCotZeroshot: TaskEntry = {
  name: "gsm8k_cot_zeroshot",
  description: "Word problems of grade school, without examples; asks to think step by step.",
  ...data,
  definition: defineTask({
    task: "gsm8k_cot_zeroshot",
    tag: ["math_word_problems"],
    ...dataset,
    training_split: "train",
    fewshot_split: "train",
    test_split: "test",
    doc_to_text: "Q: {{question}}\nA: Let's think step by step.",
    doc_to_target: "{{answer}}",
    metric_list,
    generation_kwargs: { until: ["Q:", "</s>", "<|im_end|>"], do_sample: false },
    num_fewshot: 0,
    filter_list: sentenceFilters,
    metadata: { version: "3.0" },
  }),
};

/** The harness has no such task: this one is ours, in the form of its gsm8k. */
const svamp: TaskEntry = {
  name: "svamp",
  description: "Short word problems with misleading numbers, after five examples (our own definition).",
  items: 300,
  licence: "MIT",
  definition: defineTask({
    task: "svamp",
    dataset_path: "ChilleD/SVAMP",
    training_split: "train",
    test_split: "test",
    process_docs: joinProblem,
    doc_to_text: "Question: {{problem}}\nAnswer:",
    doc_to_target: "#### {{number}}",
    metric_list,
    generation_kwargs: {
      until: ["Question:", "</s>", "<|im_end|>"],
      do_sample: false,
      temperature: 0,
    },
    num_fewshot: 5,
    filter_list: hashFilters,
    metadata: { version: "1.0" },
  }),
  local: {
    splits: { test: "math/SVAMP.json" },
    note: "all 1,000 problems, of which the Hub's test split holds 300",
  },
};

export const gsm8kTasks: readonly TaskEntry[] = [gsm8k, gsm8kCot, gsm8kCotZeroshot, svamp];

/** Many bodies lack the full stop before the question. */
function joinProblem(doc: Doc): Doc {
  const body = strip(textField(doc, "Body"));
  const problem = `${body}${/[.!?]$/.test(body) ? "" : "."} ${strip(textField(doc, "Question"))}`;
  // Texts on the Hub, such as "8.0".
  const number = Number(doc.Answer ?? Number.NaN);
  if (Number.isNaN(number)) throw new Error('the field "Answer" is missing or no number');
  return { ...doc, problem, number };
}

/** The examples of Wei et al. (2022), as the harness writes them. */
function reasonedExamples(): { question: string; target: string }[] {
  return [
    {
      question:
        "There are 15 trees in the grove. Grove workers will plant trees in the grove today. After they are done, there will be 21 trees. How many trees did the grove workers plant today?",
      target:
        "There are 15 trees originally. Then there were 21 trees after some more were planted. So there must have been 21 - 15 = 6. The answer is 6.",
    },
    {
      question:
        "If there are 3 cars in the parking lot and 2 more cars arrive, how many cars are in the parking lot?",
      target: "There are originally 3 cars. 2 more cars arrive. 3 + 2 = 5. The answer is 5.",
    },
    {
      question:
        "Leah had 32 chocolates and her sister had 42. If they ate 35, how many pieces do they have left in total?",
      target:
        "Originally, Leah had 32 chocolates. Her sister had 42. So in total they had 32 + 42 = 74. After eating 35, they had 74 - 35 = 39. The answer is 39.",
    },
    {
      question:
        "Jason had 20 lollipops. He gave Denny some lollipops. Now Jason has 12 lollipops. How many lollipops did Jason give to Denny?",
      target:
        "Jason started with 20 lollipops. Then he had 12 after giving some to Denny. So he gave Denny 20 - 12 = 8. The answer is 8.",
    },
    {
      question:
        "Shawn has five toys. For Christmas, he got two toys each from his mom and dad. How many toys does he have now?",
      target:
        "Shawn started with 5 toys. If he got 2 toys each from his mom and dad, then that is 4 more toys. 5 + 4 = 9. The answer is 9.",
    },
    {
      question:
        "There were nine computers in the server room. Five more computers were installed each day, from monday to thursday. How many computers are now in the server room?",
      target:
        "There were originally 9 computers. For each of 4 days, 5 more computers were added. So 5 * 4 = 20 computers were added. 9 + 20 is 29. The answer is 29.",
    },
    {
      question:
        "Michael had 58 golf balls. On tuesday, he lost 23 golf balls. On wednesday, he lost 2 more. How many golf balls did he have at the end of wednesday?",
      target:
        "Michael started with 58 golf balls. After losing 23 on tuesday, he had 58 - 23 = 35. After losing 2 more, he had 35 - 2 = 33 golf balls. The answer is 33.",
    },
    {
      question: "Olivia has $23. She bought five bagels for $3 each. How much money does she have left?",
      target:
        "Olivia had 23 dollars. 5 bagels for 3 dollars each will be 5 x 3 = 15 dollars. So she has 23 - 15 dollars left. 23 - 15 is 8. The answer is 8.",
    },
  ];
}
