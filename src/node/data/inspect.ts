/** @file Shows which tokens of an example are trained on. */

import { styleText } from "node:util";
import { showControls } from "../../core/control-characters.ts";
import type { TokenizedExample } from "../../core/data/batch.ts";
import { countTokens, type TrainingExample } from "../../core/data/training-example.ts";
import { type ChatSettings, withChatSettings } from "../../core/tokenization/chat-template.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import { openCheckpoint } from "../models/checkpoint.ts";
import { resolveModel } from "../models/hub-model.ts";
import { resolveDataset } from "./hub-dataset.ts";
import { type Dataset, type DatasetOptions, type DatasetReport, loadDataset } from "./load-dataset.ts";

export interface InspectionOptions extends Omit<DatasetOptions, "tokenizer" | "context">, ChatSettings {
  /** Folder, .gguf file or Hub id of the model, for its tokenizer and template. */
  readonly model: string;
  /** File of examples or Hub id of a dataset. */
  readonly data: string;
  /** Split of a Hub dataset. Default "train". */
  readonly dataSplit?: string;
  /** Longest example in tokens. Default 2048. */
  readonly context?: number;
}

export interface DataInspection extends Dataset {
  /** With the chat template and the day that the examples were rendered with. */
  readonly tokenizer: Tokenizer;
}

/**
 * Reads data as a run would, without loading a weight: which tokens of each example are trained on, and what is cut.
 *
 * @throws InputError as `loadDataset` does, or if there is no such model.
 * @example
 * const { examples, report, tokenizer } = await inspectData({ model: "fixtures/embedded-model", data: "faq.csv", limit: 10 });
 * console.log(renderExample(examples[0]!, tokenizer));
 */
export async function inspectData({
  model,
  data,
  dataSplit = "train",
  context = 2048,
  chatTemplate,
  date,
  ...options
}: InspectionOptions): Promise<DataInspection> {
  const checkpoint = await openCheckpoint(await resolveModel(model));
  const tokenizer = withChatSettings(await checkpoint.tokenizer(), { chatTemplate, date });
  checkpoint.close();
  const path = await resolveDataset(data, dataSplit);
  return { ...(await loadDataset(path, { ...options, tokenizer, context })), tokenizer };
}

/**
 * An example's text with its trained tokens in green, or between ⟦ and ⟧ without colour; of a pair the prompt, and under it both
 * answers; of a question in two wordings both texts. Special tokens are shown as the vocabulary writes them, characters that a terminal would obey as JSON does.
 *
 * @example
 * const { examples, tokenizer } = await inspectData({ model: "fixtures/embedded-model", data: "faq.csv" });
 * for (const example of examples.slice(0, 3)) console.log(renderExample(example, tokenizer));
 */
export function renderExample(
  { texts: [first, second], label }: TrainingExample,
  tokenizer: Tokenizer,
  { colour = false }: { readonly colour?: boolean } = {},
): string {
  const isPair = second !== undefined && label === undefined;
  if (!isPair) return renderTokens(first!, tokenizer, colour);
  const answers = [first!, second].map((text) => {
    const border = text.trained.indexOf(1);
    return [cut(text, 0, border), cut(text, border)].map((part) => renderTokens(part, tokenizer, colour));
  });
  const [[prompt, chosen], [other, rejected]] = answers as [[string, string], [string, string]];
  if (prompt !== other) return `${prompt}${chosen}\n── in other words\n${other}${rejected}`;
  return `${prompt}\n── chosen\n${chosen}\n── rejected\n${rejected}`;
}

function cut({ ids, trained }: TokenizedExample, start: number, end?: number): TokenizedExample {
  return { ids: ids.subarray(start, end), trained: trained.subarray(start, end) };
}

function renderTokens({ ids, trained }: TokenizedExample, tokenizer: Tokenizer, colour: boolean): string {
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

/** What is known of an example beside its texts, such as "12 tokens, wanted, weight 2". */
export function describeExample(example: TrainingExample): string {
  const { label, weight } = example;
  return [
    `${countTokens(example)} tokens`,
    ...(label === undefined ? [] : [label ? "wanted" : "not wanted"]),
    ...(weight === undefined ? [] : [`weight ${weight}`]),
  ].join(", ");
}

/**
 * The report in a few lines for people.
 *
 * @example
 * console.log(renderReport((await inspectData({ model: "fixtures/embedded-model", data: "faq.csv" })).report));
 */
export function renderReport(report: DatasetReport): string {
  const share = ((100 * report.trainedTokens) / report.tokens).toFixed(0);
  const kind = {
    texts: "",
    wordings: " (in two wordings)",
    pairs: " (pairs)",
    unpaired: ` (${report.wanted} of them wanted)`,
    prompts: " (prompts)",
    steps: " (solutions)",
  }[report.learnsFrom];
  const lines = [
    `${report.examples} examples${kind}, ${report.tokens} tokens, the longest ${report.longest}`,
    report.learnsFrom === "prompts"
      ? "the model answers them itself, and is trained on its answers"
      : report.learnsFrom === "steps"
        ? `${report.trainedTokens / 2} steps are judged`
        : `${report.trainedTokens} tokens are trained on (${share} %)`,
  ];
  if (report.truncated > 0) lines.push(`${report.truncated} examples were cut to the context`);
  if (report.dropped > 0) lines.push(`${report.dropped} examples were dropped: longer than the context`);
  if (report.withoutLabels > 0)
    lines.push(`${report.withoutLabels} examples were dropped: no token in the loss`);
  if (report.cutAlike > 0) {
    lines.push(`${report.cutAlike} pairs were dropped: the same answers as far as the context goes`);
  }
  if (report.weighted > 0) lines.push(`${report.weighted} examples have a weight of their own`);
  if (report.duplicates > 0) lines.push(`${report.duplicates} examples equal an earlier one`);
  if (report.cutRows > 0) {
    lines.push(
      `${report.cutRows} conversations were cut into ${report.cutExamples} examples, since the chat template prints turns differently when others follow`,
    );
  }
  if (report.ignored.length > 0) lines.push(`ignored: ${report.ignored.join(", ")}`);
  return lines.join("\n");
}
