/** @file WikiText-2: how well articles of Wikipedia are predicted (Merity et al. 2016). */

import type { Row } from "../../core/data/row-fields.ts";
import { compilePythonRegExp } from "../../core/python/regexp.ts";
import { strip } from "../../core/python/text.ts";
import { readText } from "../../node/files/read.ts";
import type { Doc } from "../task.ts";
import { textField } from "./doc-fields.ts";
import { defineTask } from "./task-definition.ts";
import type { TaskEntry } from "./task-entry.ts";

export const wikitext: TaskEntry = {
  name: "wikitext",
  description: "How well are articles of Wikipedia predicted?",
  items: 62,
  licence: "CC BY-SA 3.0",
  definition: defineTask({
    task: "wikitext",
    dataset_path: "EleutherAI/wikitext_document_level",
    dataset_name: "wikitext-2-raw-v1",
    output_type: "loglikelihood_rolling",
    training_split: "train",
    validation_split: "validation",
    test_split: "test",
    doc_to_text: "",
    doc_to_target: detokenize,
    measured_text: (doc) => textField(doc, "page"),
    metric_list: [
      { metric: "word_perplexity", aggregation: "weighted_perplexity", higher_is_better: false },
      { metric: "byte_perplexity", aggregation: "weighted_perplexity", higher_is_better: false },
      { metric: "bits_per_byte", aggregation: "bits_per_byte", higher_is_better: false },
    ],
    metadata: { version: "2.0" },
  }),
  local: {
    splits: { validation: "corpus/wikitext2_valid.txt", test: "corpus/wikitext2_test.txt" },
    read: readPages,
    note: "the variant in which rare words are <unk>",
  },
};

/** A page begins with a heading of the first level; headings of lower levels have more signs of equality. */
async function* readPages(path: string): AsyncGenerator<Row> {
  let page: string[] = [];
  let start = 1;
  const isEmpty = () => strip(page.join("\n")) === "";
  for (const [index, line] of readText(path).split("\n").entries()) {
    const heading = strip(line.replaceAll("= = =", "===").replaceAll("= =", "=="));
    if (heading.startsWith("= ") && heading.endsWith(" =")) {
      if (!isEmpty()) yield { fields: { page: page.join("\n") }, line: start };
      page = [];
      start = index + 1;
    }
    page.push(line);
  }
  yield { fields: { page: page.join("\n") }, line: start };
}

/** WikiText sets apart what was joined, as in "1 @,@ 000" and "( see )". Each step works on what those before it left. */
const steps: readonly (readonly [pattern: string | RegExp, replacement: string])[] = [
  ["s '", "s'"],
  // Meant for years, as in "' 99", but between slashes it hardly ever occurs: the harness's own.
  [compilePythonRegExp("/' [0-9]/"), "/'[0-9]/"],
  [" @-@ ", "-"],
  [" @,@ ", ","],
  [" @.@ ", "."],
  [" : ", ": "],
  [" ; ", "; "],
  [" . ", ". "],
  [" ! ", "! "],
  [" ? ", "? "],
  [" , ", ", "],
  [compilePythonRegExp("\\(\\s*([^\\)]*?)\\s*\\)"), "($1)"],
  [compilePythonRegExp("\\[\\s*([^\\]]*?)\\s*\\]"), "[$1]"],
  [compilePythonRegExp("{\\s*([^}]*?)\\s*}"), "{$1}"],
  [compilePythonRegExp('"\\s*([^"]*?)\\s*"'), '"$1"'],
  [compilePythonRegExp("'\\s*([^']*?)\\s*'"), "'$1'"],
  ["= = = =", "===="],
  ["= = =", "==="],
  ["= =", "=="],
  [" ° ", "°"],
  [" \n", "\n"],
  ["\n ", "\n"],
  [" N ", " 1 "],
  [" 's", "'s"],
];

function detokenize(doc: Doc): string {
  return steps.reduce(
    (text, [pattern, replacement]) => text.replaceAll(pattern, replacement),
    textField(doc, "page"),
  );
}
