/** @file HellaSwag: which of four endings goes on with a description (Zellers et al. 2019). */

import { compilePythonRegExp } from "../../core/python/regexp.ts";
import { capitalize, strip } from "../../core/python/text.ts";
import type { Doc } from "../task.ts";
import { textField, textsField } from "./doc-fields.ts";
import { defineTask } from "./task-definition.ts";
import type { TaskEntry } from "./task-entry.ts";

export const hellaswag: TaskEntry = {
  name: "hellaswag",
  description: "Which of four endings goes on with the description of an activity?",
  items: 10042,
  licence: "MIT",
  definition: defineTask({
    task: "hellaswag",
    tag: ["multiple_choice"],
    dataset_path: "Rowan/hellaswag",
    output_type: "multiple_choice",
    training_split: "train",
    validation_split: "validation",
    process_docs: addQuery,
    doc_to_text: "{{query}}",
    doc_to_target: "{{label}}",
    doc_to_choice: "choices",
    metric_list: [
      { metric: "acc", aggregation: "mean", higher_is_better: true },
      { metric: "acc_norm", aggregation: "mean", higher_is_better: true },
    ],
    metadata: { version: "1.0" },
  }),
  tune: { split: "validation[:8000]", rest: "validation[8000:]" },
  local: { splits: { validation: "hellaswag/hellaswag_val.jsonl" } },
};

function addQuery(doc: Doc): Doc {
  const context = `${textField(doc, "ctx_a")} ${capitalize(textField(doc, "ctx_b"))}`;
  return {
    ...doc,
    query: clean(`${textField(doc, "activity_label")}: ${context}`),
    choices: textsField(doc, "endings").map(clean),
    gold: Number(doc.label),
  };
}

const bracketed = compilePythonRegExp("\\[.*?\\]");

/** Removes the marks of WikiHow's pages. Of three spaces two remain. */
function clean(text: string): string {
  const titled = strip(text).replaceAll(" [title]", ". ");
  return titled.replace(bracketed, "").replaceAll("  ", " ");
}
