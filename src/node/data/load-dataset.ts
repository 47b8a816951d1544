/** @file A file of examples as tokens, with a report of what was found, cut and dropped. */

import { createHash } from "node:crypto";
import type { TokenizedExample } from "../../core/data/batch.ts";
import { createExampleReader, type FieldMapping } from "../../core/data/example.ts";
import { watchIgnoredFields } from "../../core/data/ignored-fields.ts";
import type { Row } from "../../core/data/row-fields.ts";
import { type TrainOn, tokenizeExample } from "../../core/data/tokenize-example.ts";
import { InputError } from "../../core/errors.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import { readRows } from "../formats/rows.ts";

export interface DatasetOptions {
  readonly tokenizer: Tokenizer;
  /** Longest example in tokens. */
  readonly context: number;
  /** What happens to a longer one. Default "error". */
  readonly overlong?: "error" | "drop" | "truncate";
  /** Default "completion". */
  readonly trainOn?: TrainOn;
  readonly fields?: FieldMapping;
  /** Whether conversations go through the model's chat template, where it has one. Default true. */
  readonly applyChatTemplate?: boolean;
  /** Examples to read at most. Default: all. */
  readonly limit?: number;
  readonly onProgress?: (examples: number) => void;
}

/** What became of the examples of a file. */
export interface DatasetReport {
  readonly examples: number;
  readonly tokens: number;
  readonly trainedTokens: number;
  readonly longest: number;
  /** Examples cut to the context. */
  readonly truncated: number;
  /** Examples left out because they are longer than the context. */
  readonly dropped: number;
  /** Examples left out because nothing in them is trained on. */
  readonly withoutLabels: number;
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
  readonly examples: TokenizedExample[];
  readonly report: DatasetReport;
}

/**
 * Reads and tokenizes a file of examples.
 *
 * @throws InputError naming file and line if the file is damaged, an example is too long or fits no format, the file
 *   has no example, or no token of it would be trained on.
 */
export async function loadDataset(path: string, options: DatasetOptions): Promise<Dataset> {
  const {
    tokenizer,
    context,
    overlong = "error",
    trainOn = "completion",
    applyChatTemplate = true,
    limit = Number.POSITIVE_INFINITY,
  } = options;
  const read = createExampleReader(path, options.fields);
  const examples: TokenizedExample[] = [];
  const counts = { truncated: 0, dropped: 0, withoutLabels: 0, duplicates: 0, cutRows: 0, cutExamples: 0 };
  const seen = new Set<string>();
  const ignored = watchIgnoredFields(applyChatTemplate ? tokenizer : undefined);
  /** Keeps an example unless it is too long or teaches nothing. */
  const keep = (example: TokenizedExample, line: number) => {
    const { length } = example.ids;
    if (length > context) {
      if (overlong === "error") {
        throw new InputError(
          `${path}, line ${line}: the example has ${length} tokens, more than the context of ${context}; raise "context", or set "overlong" to drop or truncate.`,
        );
      }
      if (overlong === "drop") {
        counts.dropped++;
        return;
      }
      counts.truncated++;
      example = { ids: example.ids.slice(0, context), trained: example.trained.slice(0, context) };
    }
    if (!example.trained.includes(1, 1)) {
      counts.withoutLabels++;
      return;
    }
    const digest = createHash("sha256").update(example.ids).update(example.trained).digest("base64");
    if (seen.has(digest)) counts.duplicates++;
    seen.add(digest);
    examples.push(example);
    options.onProgress?.(examples.length);
  };
  let rows = 0;
  for await (const row of takeFirst(readRows(path), limit)) {
    rows++;
    const example = read(row);
    const tokenized = tokenizeExample(example, tokenizer, { trainOn, applyChatTemplate }, path);
    ignored.visit(example, tokenized.unprintedRoles);
    for (const part of tokenized.examples) keep(part, row.line);
    if (tokenized.examples.length > 1) {
      counts.cutRows++;
      counts.cutExamples += tokenized.examples.length;
    }
  }
  if (rows === 0) throw new InputError(`${path} holds no examples.`);
  if (examples.length === 0) {
    throw new InputError(
      `${path}: of its ${rows} examples none is left to train on (${counts.dropped} are longer than the context, ${counts.withoutLabels} have no token in the loss); look at them with \`slimtune inspect\`.`,
    );
  }
  const sum = (value: (example: TokenizedExample) => number) =>
    examples.reduce((total, e) => total + value(e), 0);
  return {
    examples,
    report: {
      examples: examples.length,
      tokens: sum(({ ids }) => ids.length),
      trainedTokens: sum(({ trained }) => trained.subarray(1).reduce((count, mark) => count + mark, 0)),
      longest: examples.reduce((most, { ids }) => Math.max(most, ids.length), 0),
      ...counts,
      ignored: ignored.list(),
    },
  };
}

/** The first `count` rows, of which no further one is read. */
async function* takeFirst(rows: AsyncIterable<Row>, count: number): AsyncGenerator<Row> {
  let taken = 0;
  for await (const row of rows) {
    yield row;
    if (++taken === count) return;
  }
}
