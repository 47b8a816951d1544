import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { renderExample } from "../../node/data/inspect.ts";
import { withChatSettings } from "../tokenization/chat-template.ts";
import { createTokenizer } from "../tokenization/hugging-face.ts";
import { createExampleReader } from "./example.ts";
import { tokenizeExample } from "./tokenize-example.ts";

/** Made by reference/conversations.py with Transformers. */
const golden: {
  readonly date: string;
  readonly tokenizer: unknown;
  readonly config: unknown;
  readonly rows: Readonly<Record<string, Record<string, unknown>>>;
  readonly styles: Readonly<
    Record<
      string,
      {
        readonly template: string;
        /** A hash of the ids and the text with what is in the loss marked, of each example; or why there is none. */
        readonly examples: Readonly<Record<string, readonly string[] | { readonly refused: string }>>;
      }
    >
  >;
} = JSON.parse(
  readFileSync(new URL("../../../fixtures/tokenization/conversations.json", import.meta.url), "utf8"),
);
const tokenizer = createTokenizer(golden, "conversations.json");

describe.each(Object.entries(golden.styles))("the template of %s", (_, { template, examples }) => {
  const inStyle = withChatSettings(tokenizer, { chatTemplate: template, date: golden.date });

  function convert(fields: Record<string, unknown>): string[] {
    const example = createExampleReader("rows.jsonl")({ fields, line: 1 });
    const options = { trainOn: "completion", applyChatTemplate: true } as const;
    return tokenizeExample(example, inStyle, options, "rows.jsonl").examples.map((tokenized) => {
      const digest = createHash("sha256").update(tokenized.ids.join()).digest("hex").slice(0, 8);
      return `${digest} ${renderExample({ texts: [tokenized] }, tokenizer, { colour: false })}`;
    });
  }

  test.each(Object.entries(examples))("%s", (name, expected) => {
    const row = golden.rows[name]!;
    if ("refused" in expected) {
      const reason = expected.refused.replace(/^T/, "t");
      expect(() => convert(row)).toThrow(`rows.jsonl, line 1: ${reason}`);
    } else {
      expect(convert(row)).toEqual(expected);
    }
  });
});
