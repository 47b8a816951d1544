import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { InputError } from "../core/errors.ts";
import { createTokenizer } from "../core/tokenization/hugging-face.ts";
import { encodePair, encodeWindows } from "./request-encoding.ts";

interface Sequence {
  readonly ids: readonly number[];
  readonly scored: number;
}

// Made by reference/harness_tokens.py: what lm-evaluation-harness gives its model. Nothing where it fails.
const { maxLength, tokenizers } = JSON.parse(readFileSync("fixtures/evaluation/harness-tokens.json", "utf8"));

describe.each(Object.keys(tokenizers))("with a tokenizer like %s", (name) => {
  const golden = tokenizers[name] as {
    readonly tokenizer?: object;
    readonly pairs: readonly ({
      readonly context: string;
      readonly continuation: string;
    } & Partial<Sequence>)[];
    readonly texts: readonly { readonly text: string; readonly windows: readonly Sequence[] }[];
  };
  const tokenizer = createTokenizer(
    golden.tokenizer ? golden : JSON.parse(readFileSync(`fixtures/tokenization/${name}.json`, "utf8")),
    name,
  );

  test("contexts and continuations have the harness's tokens", () => {
    for (const { context, continuation, ...expected } of golden.pairs) {
      const pair = { context, continuation };
      if (expected.ids) {
        const { ids, scored } = encodePair(tokenizer, pair, maxLength);
        expect({ ids, scored }, JSON.stringify(pair)).toEqual(expected);
      } else expect(() => encodePair(tokenizer, pair, maxLength), JSON.stringify(pair)).toThrow(InputError);
    }
  });

  test("some of them are not the whole text's", () => {
    const others = golden.pairs.filter(({ context, continuation, ids }) => {
      const whole = tokenizer.encode(context + continuation, { addSpecialTokens: true });
      return ids && ids.join() !== whole.slice(-ids.length).join();
    });
    expect(others.length).toBeGreaterThan(0);
  });

  test("texts as a whole have the harness's windows", () => {
    for (const { text, windows } of golden.texts) {
      expect(encodeWindows(tokenizer, text, maxLength), JSON.stringify(text)).toEqual(windows);
    }
  });
});

test("a context of white space alone is refused where the tokenizer begins texts with nothing", () => {
  const tokenizer = createTokenizer(
    JSON.parse(readFileSync("fixtures/tokenization/smollm.json", "utf8")),
    "smollm",
  );
  expect(() => encodePair(tokenizer, { context: " ", continuation: "a" }, 8)).toThrow("has no tokens");
});
