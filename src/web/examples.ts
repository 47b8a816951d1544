/** @file Rows as examples to imitate. */

import type { TokenizedExample } from "../core/data/batch.ts";
import { createExampleReader } from "../core/data/example.ts";
import { prepareExample } from "../core/data/prepare-example.ts";
import { InputError } from "../core/errors.ts";
import type { Tokenizer } from "../core/tokenization/tokenizer.ts";
import type { TuneConfig } from "./tune-options.ts";

/** The fields of an example by name, as CSV or JSON gives them, in one of the formats of docs/data.md. */
export type ExampleRow = Readonly<Record<string, unknown>>;

/** What rows are called in errors; they are counted from 1. */
const origin = "The examples";

/**
 * @param context longest example in tokens
 * @throws InputError naming the first row that fits no format or is too long; or if none is left to train on.
 */
export function readExamples(
  rows: Iterable<ExampleRow>,
  { fields, train_on, apply_chat_template, overlong }: TuneConfig,
  tokenizer: Tokenizer,
  context: number,
): TokenizedExample[] {
  const read = createExampleReader(origin, fields);
  const options = { trainOn: train_on, applyChatTemplate: apply_chat_template };
  const kept: TokenizedExample[] = [];
  let line = 0;
  for (const row of rows) {
    line++;
    const { examples } = prepareExample(read({ fields: row, line }), tokenizer, options, origin);
    for (const { ids, trained } of examples.flatMap(({ texts }) => texts)) {
      if (ids.length > context && overlong === "error") {
        throw new InputError(
          `${origin}, line ${line}: the example has ${ids.length} tokens, more than the context of ${context}; raise "context", or set "overlong" to drop or truncate.`,
        );
      }
      if (ids.length > context && overlong === "drop") continue;
      const text = { ids: ids.slice(0, context), trained: trained.slice(0, context) };
      if (text.trained.includes(1, 1)) kept.push(text);
    }
  }
  if (kept.length > 0) return kept;
  throw new InputError(
    `Of ${line} examples none is left to train on; give some with a text to learn, and not too long.`,
  );
}

/** The SHA-256 of the examples' tokens. */
export async function hashExamples(examples: readonly TokenizedExample[]): Promise<string> {
  const values = examples.flatMap(({ ids, trained }) => [ids.length, ...ids, ...trained]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", Uint32Array.from(values)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
