/** @file Short questions of common sense and school science: what a tuned model should not have forgotten. */

import { strip } from "../../core/python/text.ts";
import type { Doc } from "../task.ts";
import { textField } from "./doc-fields.ts";
import { defineTask, type TaskDefinitionInput } from "./task-definition.ts";
import type { TaskEntry } from "./task-entry.ts";

const splits = { training_split: "train", validation_split: "validation", test_split: "test" };
const untested = { training_split: "train", validation_split: "validation" };
const accuracy: TaskDefinitionInput["metric_list"] = [
  { metric: "acc", aggregation: "mean", higher_is_better: true },
];
const accuracies: TaskDefinitionInput["metric_list"] = [
  ...accuracy,
  { metric: "acc_norm", aggregation: "mean", higher_is_better: true },
];

function entry(
  description: string,
  items: number,
  licence: string,
  definition: TaskDefinitionInput,
): TaskEntry {
  const { task } = definition;
  const note = "the validation split, from which examples are drawn as well";
  return {
    name: task,
    description,
    items,
    licence,
    definition: defineTask({ output_type: "multiple_choice", ...definition }),
    local: { splits: { validation: `retention/${task}_validation.jsonl` }, note },
  };
}

function arc(task: string, dataset_name: string, description: string, items: number): TaskEntry {
  return entry(description, items, "CC BY-SA 4.0", {
    task,
    tag: ["ai2_arc"],
    dataset_path: "allenai/ai2_arc",
    dataset_name,
    ...splits,
    doc_to_text: "Question: {{question}}\nAnswer:",
    doc_to_target: "{{choices.label.index(answerKey)}}",
    doc_to_choice: "{{choices.text}}",
    metric_list: accuracies,
    metadata: { version: "1.0" },
  });
}

export const commonSenseTasks: readonly TaskEntry[] = [
  arc("arc_easy", "ARC-Easy", "Questions of school science that are easily found answered.", 2376),
  arc("arc_challenge", "ARC-Challenge", "Questions of school science that need more than a search.", 1172),
  entry("How is an everyday goal reached: which of two ways?", 1838, "AFL-3.0", {
    task: "piqa",
    dataset_path: "baber/piqa",
    ...untested,
    doc_to_text: "Question: {{goal}}\nAnswer:",
    doc_to_target: "label",
    doc_to_choice: "{{[sol1, sol2]}}",
    metric_list: accuracies,
    metadata: { version: "1.0" },
  }),
  entry("Whom or what does a sentence mean: which of two?", 1267, "CC BY 4.0", {
    task: "winogrande",
    dataset_path: "allenai/winogrande",
    dataset_name: "winogrande_xl",
    ...untested,
    doc_to_text: correctOption,
    doc_to_target: afterBlank,
    doc_to_choice: beginnings,
    metric_list: accuracy,
    metadata: { version: "1.0" },
  }),
  entry("Questions about facts of elementary science and common knowledge.", 500, "Apache-2.0", {
    task: "openbookqa",
    dataset_path: "allenai/openbookqa",
    dataset_name: "main",
    ...splits,
    doc_to_text: "question_stem",
    doc_to_target: "{{choices.label.index(answerKey.lstrip())}}",
    doc_to_choice: "{{choices.text}}",
    metric_list: accuracies,
    metadata: { version: "1.0" },
  }),
  entry("Questions of science exams, after a supporting paragraph.", 1000, "CC BY-NC 3.0", {
    task: "sciq",
    dataset_path: "allenai/sciq",
    ...splits,
    doc_to_text: "{{support.lstrip()}}\nQuestion: {{question}}\nAnswer:",
    doc_to_target: 3,
    doc_to_choice: "{{[distractor1, distractor2, distractor3, correct_answer]}}",
    metric_list: accuracies,
    metadata: { version: "1.0" },
  }),
  entry("Questions of common sense with five choices.", 1221, "MIT", {
    task: "commonsense_qa",
    dataset_path: "tau/commonsense_qa",
    ...untested,
    doc_to_text:
      "Question: {{ question.strip() }}\nA. {{choices['text'][0]}}\nB. {{choices['text'][1]}}\nC. {{choices['text'][2]}}\nD. {{choices['text'][3]}}\nE. {{choices['text'][4]}}\nAnswer:",
    doc_to_target: "answerKey",
    doc_to_choice: ["A", "B", "C", "D", "E"],
    metric_list: accuracy,
    // What the harness reports of a task without a version.
    metadata: { version: "Yaml" },
  }),
];

/** WinoGrande compares how likely the same ending is after each option, as Trinh and Le (2018) do. */
function correctOption(doc: Doc): number {
  const option = ["1", "2"].indexOf(textField(doc, "answer"));
  if (option < 0) throw new Error('the field "answer" is neither "1" nor "2"');
  return option;
}

function beginnings(doc: Doc): string[] {
  const [before] = splitAtBlank(doc);
  return [before + textField(doc, "option1"), before + textField(doc, "option2")];
}

function afterBlank(doc: Doc): string {
  return strip(splitAtBlank(doc)[1]);
}

function splitAtBlank(doc: Doc): [before: string, after: string] {
  const sentence = textField(doc, "sentence");
  const blank = sentence.indexOf("_");
  if (blank < 0) throw new Error('the field "sentence" has no "_" for the option');
  return [sentence.slice(0, blank), sentence.slice(blank + 1)];
}
