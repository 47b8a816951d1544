import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createDecoder, type Decoder } from "./decoder.ts";
import { createTokenizer } from "./hugging-face.ts";
import { createNormalizer, type Normalizer } from "./normalizer.ts";
import { createPreTokenizer, type PreTokenizer } from "./pre-tokenizer.ts";

/** A part and what Hugging Face's tokenizers make of each input with it; null where they fail. */
interface Case<Config, Result> {
  readonly config: Config;
  readonly results: readonly (Result | null)[];
}

/** Made by reference/tokenizer_parts.py with Hugging Face's tokenizers. */
interface Golden {
  readonly texts: readonly string[];
  readonly tokens: readonly (readonly string[])[];
  readonly tokenizedTexts: readonly string[];
  readonly normalizers: readonly Case<Normalizer, string>[];
  readonly preTokenizers: readonly Case<PreTokenizer, string[]>[];
  readonly decoders: readonly Case<Decoder | null, string>[];
  readonly tokenizers: readonly {
    readonly definition: { readonly model: { readonly vocab: Readonly<Record<string, number>> } };
    readonly ids: readonly (number[] | null)[];
    readonly idsWithSpecialTokens: readonly (number[] | null)[];
  }[];
}

const path = process.env.SLIMTUNE_TOKENIZER_PARTS ?? "fixtures/tokenization/parts.json";
const golden: Golden = JSON.parse(readFileSync(path, "utf8"));

/** Compares what is computed of each input with what the reference gave. */
function compare<Input, Result>(
  part: unknown,
  inputs: readonly Input[],
  results: readonly (Result | null)[],
  compute: (input: Input) => Result,
): void {
  for (const [i, expected] of results.entries()) {
    if (expected === null) continue;
    expect(compute(inputs[i]!), `${JSON.stringify(part)} of ${JSON.stringify(inputs[i])}`).toEqual(expected);
  }
}

describe("as in Hugging Face's tokenizers", () => {
  test("normalizers change texts", () => {
    for (const { config, results } of golden.normalizers)
      compare(config, golden.texts, results, createNormalizer(config));
  });

  test("pre-tokenizers cut texts", () => {
    for (const { config, results } of golden.preTokenizers) {
      const cut = createPreTokenizer(config);
      compare(config, golden.texts, results, (text) =>
        text === "" ? [] : cut({ text, isFirst: true }).map((piece) => piece.text),
      );
    }
  });

  test("decoders join tokens", () => {
    for (const { config, results } of golden.decoders) {
      const decode = config ? createDecoder(config) : (tokens: readonly string[]) => [tokens.join(" ")];
      compare(config, golden.tokens, results, (tokens) => decode(tokens).join(""));
    }
  });

  test("tokenizers give ids", () => {
    for (const { definition, ids, idsWithSpecialTokens } of golden.tokenizers) {
      const tokenizer = createTokenizer({ tokenizer: definition }, "tokenizer.json");
      const { model, ...parts } = definition;
      const name = { ...parts, model: { ...model, vocab: undefined, merges: undefined } };
      compare(name, golden.tokenizedTexts, ids, (text) => tokenizer.encode(text));
      compare(name, golden.tokenizedTexts, idsWithSpecialTokens, (text) =>
        tokenizer.encode(text, { addSpecialTokens: true }),
      );
    }
  });
});
