import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { openGgufTokenizer } from "./gguf.ts";
import { encodeGgufTokenizer } from "./to-gguf.ts";

function readGolden(name: string) {
  const path = new URL(`../../../fixtures/tokenization/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf8"));
}

const texts: readonly string[] = readGolden("texts");

/** The metadata of a golden tokenizer with changes to its tokenizer.json. */
function encode(name: string, changes: object = {}, size?: number) {
  const { tokenizer, config } = structuredClone(readGolden(name));
  const rows = size ?? Object.keys(tokenizer.model.vocab).length;
  return encodeGgufTokenizer({ tokenizer: { ...tokenizer, ...changes }, config }, rows, name);
}

// The goldens are each a tokenizer.json and the metadata of the same tokenizer; see reference/tokenization.py.
describe.each(["gpt2", "smollm", "llama3", "qwen2", "llama2"])("the metadata of %s's tokenizer", (name) => {
  const { gguf, tokenizer } = readGolden(name);
  const size = Math.max(
    ...tokenizer.added_tokens.map(({ id }: { id: number }) => id + 1),
    gguf.tokens.length,
  );
  const metadata = encode(name, {}, size);

  test("are those that it came from", () => {
    const { scores: _, ...exact } = gguf;
    for (const [key, value] of Object.entries(exact)) {
      const written = metadata.get(`tokenizer.ggml.${key}`);
      expect(written instanceof Int32Array ? [...written] : written, key).toEqual(value);
    }
  });

  test("give its tokens", () => {
    const { ids, idsWithSpecialTokens } = readGolden(name);
    const reread = openGgufTokenizer(metadata);
    for (const [i, text] of texts.entries())
      expect(reread.encode(text), JSON.stringify(text)).toEqual(ids[i]);
    for (const [i, row] of idsWithSpecialTokens.entries())
      expect(reread.encode(texts[30 + i]!, { addSpecialTokens: true })).toEqual(row);
  });
});

test("SentencePiece's scores put pieces into the order that they had", () => {
  const { scores, token_type } = readGolden("llama2").gguf;
  const written = encode("llama2").get("tokenizer.ggml.scores") as Float32Array;
  const ofPieces = [...written.keys()].filter(
    (id) => token_type[id] === 1 && written[id]! > Math.min(...written),
  );
  const byScore = (values: ArrayLike<number>) => [...ofPieces].sort((a, b) => values[b]! - values[a]!);
  expect(ofPieces.length).toBeGreaterThan(300);
  expect(byScore(written)).toEqual(byScore(scores));
});

test("rows of the embedding without a token are filled up", () => {
  const metadata = encode("qwen2", {}, 640);
  const tokens = metadata.get("tokenizer.ggml.tokens") as string[];
  expect(tokens).toHaveLength(640);
  expect(tokens.slice(-1)).toEqual(["[PAD639]"]);
  expect((metadata.get("tokenizer.ggml.token_type") as Int32Array).at(-1)).toBe(5);
  expect(openGgufTokenizer(metadata).encode("the people")).toEqual(
    openGgufTokenizer(encode("qwen2")).encode("the people"),
  );
});

test("the chat template and the padding token are carried over", () => {
  const { tokenizer, config } = readGolden("qwen2");
  const metadata = encodeGgufTokenizer(
    { tokenizer, config: { ...config, pad_token: "<|endoftext|>" }, chatTemplate: "a template" },
    600,
    "qwen2",
  );
  expect(metadata.get("tokenizer.chat_template")).toBe("a template");
  expect(metadata.get("tokenizer.ggml.padding_token_id")).toBe(0);
});

const splitting = { type: "Split", pattern: { Regex: "\\w+" }, behavior: "Isolated", invert: false };
const bracket = {
  id: 600,
  content: "<x>",
  single_word: false,
  lstrip: true,
  rstrip: false,
  normalized: false,
  special: false,
};
const refused: Record<string, [name: string, changes: object, size: number | undefined, reason: string]> = {
  "words of its own": ["gpt2", { pre_tokenizer: splitting }, undefined, "by a rule that llama.cpp lacks"],
  "words that merges do not lead to": [
    "llama3",
    { model: { ...readGolden("llama3").tokenizer.model, ignore_merges: false } },
    undefined,
    "by a rule that llama.cpp lacks",
  ],
  "a space before the first word only": ["mistral", {}, undefined, "it treats spaces otherwise"],
  "more tokens than embeddings": ["gpt2", {}, 599, "it has 600 tokens, but the model 599 embeddings"],
  "a token that takes spaces": [
    "gpt2",
    { added_tokens: [bracket] },
    601,
    'its token "<x>" takes the spaces beside it',
  ],
  "a token added in the middle": [
    "qwen2",
    {
      post_processor: {
        type: "TemplateProcessing",
        single: [{ SpecialToken: { id: "<|im_start|>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
        pair: [],
        special_tokens: { "<|im_start|>": { id: "<|im_start|>", ids: [1], tokens: ["<|im_start|>"] } },
      },
    },
    undefined,
    "it adds other tokens to a text",
  ],
  "merges in another order than by pieces": [
    "llama2",
    {
      model: {
        ...readGolden("llama2").tokenizer.model,
        merges: readGolden("llama2").tokenizer.model.merges.slice(0, -1),
      },
    },
    undefined,
    "its merges are not those of SentencePiece",
  ],
};

test.each(Object.entries(refused))("%s: refused in one sentence", (_what, [name, changes, size, reason]) => {
  const attempt = () => encode(name, changes, size);
  expect(attempt).toThrow(InputError);
  expect(attempt).toThrow(reason);
  expect(attempt).toThrow(/^GGUF cannot express the tokenizer .*; export the model as safetensors\.$/);
});
