/** @file Shows which tokens of an example are trained on. */

import { styleText } from "node:util";
import { showControls } from "../../core/control-characters.ts";
import type { TokenizedExample } from "../../core/data/batch.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import type { DatasetReport } from "./load-dataset.ts";

/**
 * An example's text with its trained tokens in green, or between ⟦ and ⟧ without colour. Special tokens are shown as
 * the vocabulary writes them, characters that a terminal would obey as JSON does.
 */
export function renderExample(
  { ids, trained }: TokenizedExample,
  tokenizer: Tokenizer,
  { colour }: { readonly colour: boolean },
): string {
  let rendered = "";
  for (let start = 0; start < ids.length; ) {
    let end = start + 1;
    while (end < ids.length && trained[end] === trained[start]) end++;
    const text = showControls(tokenizer.decode(Array.from(ids.subarray(start, end))));
    if (trained[start] === 0) rendered += colour ? styleText("dim", text, { validateStream: false }) : text;
    else rendered += colour ? styleText("green", text, { validateStream: false }) : `⟦${text}⟧`;
    start = end;
  }
  return rendered;
}

/** The report in a few lines for people. */
export function renderReport(report: DatasetReport): string {
  const share = ((100 * report.trainedTokens) / report.tokens).toFixed(0);
  const lines = [
    `${report.examples} examples, ${report.tokens} tokens, the longest ${report.longest}`,
    `${report.trainedTokens} tokens are trained on (${share} %)`,
  ];
  if (report.truncated > 0) lines.push(`${report.truncated} examples were cut to the context`);
  if (report.dropped > 0) lines.push(`${report.dropped} examples were dropped: longer than the context`);
  if (report.withoutLabels > 0)
    lines.push(`${report.withoutLabels} examples were dropped: no token in the loss`);
  if (report.duplicates > 0) lines.push(`${report.duplicates} examples equal an earlier one`);
  if (report.cutRows > 0) {
    lines.push(
      `${report.cutRows} conversations were cut into ${report.cutExamples} examples, since the chat template prints turns differently when others follow`,
    );
  }
  if (report.ignored.length > 0) lines.push(`ignored: ${report.ignored.join(", ")}`);
  return lines.join("\n");
}
