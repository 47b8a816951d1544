/** @file A file of examples as tokens, with a report of what was found, cut and dropped. */

import { createHash } from "node:crypto";
import { countLabels } from "../../core/data/batch.ts";
import { createExampleReader, type FieldMapping } from "../../core/data/example.ts";
import { watchIgnoredFields } from "../../core/data/ignored-fields.ts";
import { prepareExample } from "../../core/data/prepare-example.ts";
import type { Row } from "../../core/data/row-fields.ts";
import type { TrainOn } from "../../core/data/tokenize-example.ts";
import { countTokens, type ExampleKind, type TrainingExample } from "../../core/data/training-example.ts";
import { InputError } from "../../core/errors.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import { readRows } from "../formats/rows.ts";

export interface DatasetOptions {
  readonly tokenizer: Tokenizer;
  /** Longest example in tokens. */
  readonly context: number;
  /** What happens to a longer one. Default "error". */
  readonly overlong?: "error" | "drop" | "truncate";
  /** Which examples are wanted. Default "texts". */
  readonly learnsFrom?: ExampleKind;
  /** Default "completion", and but of texts always. */
  readonly trainOn?: TrainOn;
  readonly fields?: FieldMapping;
  /** Whether conversations go through the model's chat template, where it has one. Default true. */
  readonly applyChatTemplate?: boolean;
  /** Of solutions in steps: what ends a step. Default: a line feed. */
  readonly stepSeparator?: string | undefined;
  /** Examples to read at most. Default: all. */
  readonly limit?: number;
  readonly onProgress?: (examples: number) => void;
}

/** What became of the examples of a file. */
export interface DatasetReport {
  readonly learnsFrom: ExampleKind;
  readonly examples: number;
  /** Rows that are conversations, which go through the chat template where it is applied. */
  readonly conversations: number;
  /** Of unpaired answers: how many are wanted ones. */
  readonly wanted: number;
  /** Examples that have a weight of their own. */
  readonly weighted: number;
  /** Of all texts. */
  readonly tokens: number;
  readonly trainedTokens: number;
  /** Tokens of the longest text. */
  readonly longest: number;
  /** Examples of which a text was cut to the context. */
  readonly truncated: number;
  /** Examples left out because they are longer than the context. */
  readonly dropped: number;
  /** Examples left out because nothing in one of their texts is trained on. */
  readonly withoutLabels: number;
  /** Pairs left out because their answers are the same as far as the context goes. */
  readonly cutAlike: number;
  /** Examples that equal an earlier one. They are kept, but held-out examples among them have been trained on. */
  readonly duplicates: number;
  /** Conversations that became several examples, since the template prints turns differently when others follow. */
  readonly cutRows: number;
  /** The examples that they became. */
  readonly cutExamples: number;
  /** What has no part in the examples: names of fields, those of messages as "messages[].name", and roles. */
  readonly ignored: readonly string[];
}

export interface Dataset {
  readonly examples: TrainingExample[];
  readonly report: DatasetReport;
}

/**
 * Reads and tokenizes a file of examples.
 *
 * @throws InputError naming file and line if the file is damaged, an example is too long, fits no format or is of another kind,
 *   or the answers of a pair are the same; if the file has no example, or no token of it would be trained on; and if all tokens of
 *   other examples than texts are to be trained on.
 */
export async function loadDataset(path: string, options: DatasetOptions): Promise<Dataset> {
  const {
    tokenizer,
    context,
    overlong = "error",
    learnsFrom = "texts",
    trainOn = "completion",
    applyChatTemplate = true,
    stepSeparator,
    limit = Number.POSITIVE_INFINITY,
  } = options;
  if (learnsFrom !== "texts" && trainOn === "all") {
    throw new InputError('Only texts to imitate are learnt from all tokens; set "train_on" to completion.');
  }
  const read = createExampleReader(path, options.fields, learnsFrom);
  const examples: TrainingExample[] = [];
  const counts = {
    conversations: 0,
    truncated: 0,
    dropped: 0,
    withoutLabels: 0,
    cutAlike: 0,
    duplicates: 0,
    cutRows: 0,
    cutExamples: 0,
  };
  /** Lines of pairs whose answers are the same tokens. */
  const alike: number[] = [];
  const seen = new Set<string>();
  const ignored = watchIgnoredFields(applyChatTemplate ? tokenizer : undefined);
  /** Keeps an example unless it is too long or teaches nothing. */
  const keep = (example: TrainingExample, line: number) => {
    const length = longestText(example);
    if (length > context) {
      if (overlong === "error") {
        const what = example.texts.length > 1 ? "the longer answer with its prompt" : "the example";
        throw new InputError(
          `${path}, line ${line}: ${what} has ${length} tokens, more than the context of ${context}; raise "context", or set "overlong" to drop or truncate.`,
        );
      }
      if (overlong === "drop") {
        counts.dropped++;
        return;
      }
      counts.truncated++;
      example = cutTexts(example, context);
    }
    if (learnsFrom !== "prompts" && !example.texts.every(({ trained }) => trained.includes(1, 1))) {
      counts.withoutLabels++;
      return;
    }
    const digests = example.texts.map(({ ids, trained }) =>
      createHash("sha256").update(ids).update(trained).digest("base64"),
    );
    if (digests[0] === digests[1]) {
      if (length > context) counts.cutAlike++;
      else alike.push(line);
      return;
    }
    const identity = [...digests, example.label, example.stepLabels].join();
    if (seen.has(identity)) counts.duplicates++;
    seen.add(identity);
    examples.push(example);
    options.onProgress?.(examples.length);
  };
  let rows = 0;
  for await (const row of takeFirst(readRows(path), limit)) {
    rows++;
    const example = read(row);
    const prepared = prepareExample(example, tokenizer, { trainOn, applyChatTemplate, stepSeparator }, path);
    ignored.visit(example, prepared.unprintedRoles);
    for (const side of [example.rejected, example.reworded]) if (side) ignored.visit(side, []);
    for (const part of prepared.examples) keep(part, row.line);
    if (example.messages) counts.conversations++;
    if (prepared.examples.length > 1 && !example.solutions) {
      counts.cutRows++;
      counts.cutExamples += prepared.examples.length;
    }
  }
  if (rows === 0) throw new InputError(`${path} holds no examples.`);
  if (alike.length > 0) {
    const [first, ...others] = alike;
    const more =
      others.length === 0
        ? ""
        : ` (and on ${others.slice(0, 10).join(", ")}${others.length > 10 ? `, and ${others.length - 10} more` : ""})`;
    throw new InputError(
      `${path}, line ${first}${more}: ${
        learnsFrom === "wordings"
          ? "both wordings are the same, so that there is nothing to compare"
          : "the chosen and the rejected answer are the same, so that neither is better"
      }; correct such rows, or leave them out.`,
    );
  }
  if (examples.length === 0) {
    const reasons = [
      `${counts.dropped} are longer than the context`,
      `${counts.withoutLabels} have no token in the loss`,
      ...(counts.cutAlike > 0 ? [`${counts.cutAlike} have the same answers as far as the context goes`] : []),
    ];
    throw new InputError(
      `${path}: of its ${rows} examples none is left to train on (${reasons.join(", ")}); look at them with \`slimtune inspect\`.`,
    );
  }
  const sum = (value: (example: TrainingExample) => number) =>
    examples.reduce((total, e) => total + value(e), 0);
  return {
    examples,
    report: {
      learnsFrom,
      examples: examples.length,
      wanted: examples.filter(({ label }) => label).length,
      weighted: examples.filter(({ weight }) => weight !== undefined).length,
      tokens: sum(countTokens),
      trainedTokens: sum(({ texts }) => texts.reduce((labels, text) => labels + countLabels(text), 0)),
      longest: examples.reduce((most, example) => Math.max(most, longestText(example)), 0),
      ...counts,
      ignored: ignored.list(),
    },
  };
}

function longestText({ texts }: TrainingExample): number {
  return Math.max(...texts.map(({ ids }) => ids.length));
}

/** Only the first tokens of each text, as TRL cuts both answers of a preference with their prompt. */
function cutTexts(example: TrainingExample, length: number): TrainingExample {
  const texts = example.texts.map((text) => ({
    ...text,
    ids: text.ids.slice(0, length),
    trained: text.trained.slice(0, length),
  }));
  return { ...example, texts };
}

/** The first `count` rows, of which no further one is read. */
async function* takeFirst(rows: AsyncIterable<Row>, count: number): AsyncGenerator<Row> {
  let taken = 0;
  for await (const row of rows) {
    yield row;
    if (++taken === count) return;
  }
}
