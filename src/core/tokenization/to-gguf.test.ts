import { describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { openGgufTokenizer, splittingRules } from "./gguf.ts";
import { inBothForms, readTokenizer } from "./golden.fixture.ts";
import { encodeGgufTokenizer } from "./to-gguf.ts";

/** The metadata of a golden tokenizer with changes to its tokenizer.json. */
function encode(name: string, changes: object = {}, size?: number, model = name) {
  const { tokenizer, config } = structuredClone(readTokenizer(name));
  const ids = [...Object.values(tokenizer.model.vocab), ...tokenizer.added_tokens.map(({ id }) => id)];
  const rows = size ?? Math.max(...ids) + 1;
  return encodeGgufTokenizer({ tokenizer: { ...tokenizer, ...changes }, config }, rows, model, name);
}

// The goldens are each a tokenizer.json and the metadata of the same tokenizer; see reference/tokenization.py.
describe.each(inBothForms)("the metadata of %s's tokenizer", (name) => {
  const { gguf, texts, ids, idsWithSpecialTokens } = readTokenizer(name);
  const metadata = encode(name);

  test("are those that it came from", () => {
    const { scores: _, pre, ...exact } = gguf;
    for (const [key, value] of Object.entries(exact)) {
      const written = metadata.get(`tokenizer.ggml.${key}`);
      expect(written instanceof Int32Array ? [...written] : written, key).toEqual(value);
    }
    const rule = splittingRules.find(({ names }) => names.some((known) => known === pre));
    expect(metadata.get("tokenizer.ggml.pre")).toBe(rule?.names[0] ?? "default");
  });

  test("give its tokens", () => {
    const reread = openGgufTokenizer(metadata);
    for (const [i, text] of texts.entries())
      expect(reread.encode(text), JSON.stringify(text)).toEqual(ids[i]);
    for (const [i, row] of idsWithSpecialTokens.entries())
      expect(reread.encode(texts[30 + i]!, { addSpecialTokens: true })).toEqual(row);
  });
});

test("SentencePiece's scores put pieces into the order that they had", () => {
  const { scores, token_type } = readTokenizer("llama2").gguf;
  const written = encode("llama2").get("tokenizer.ggml.scores") as Float32Array;
  const ofPieces = [...written.keys()].filter(
    (id) => token_type[id] === 1 && written[id]! > Math.min(...written),
  );
  const byScore = (values: ArrayLike<number>) => [...ofPieces].sort((a, b) => values[b]! - values[a]!);
  expect(ofPieces.length).toBeGreaterThan(300);
  expect(byScore(written)).toEqual(byScore(scores!));
});

test("the model's name says Phi-3 where that makes llama.cpp read its tokens as they are", () => {
  const nameOf = (name: string, model: string) => encode(name, {}, undefined, model).get("general.name");
  expect(nameOf("phi3", "phi-3-faq")).toBe("phi-3-faq");
  expect(nameOf("phi3", "faq")).toBe("faq (Phi-3)");
  expect(nameOf("gemma", "faq")).toBe("faq");
  expect(nameOf("phi4", "phi3-faq")).toBe("Phi 3-faq");
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
  const { tokenizer, config } = readTokenizer("qwen2");
  const metadata = encodeGgufTokenizer(
    { tokenizer, config: { ...config, pad_token: "<|endoftext|>" }, chatTemplate: "a template" },
    600,
    "Qwen2",
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
    "qwen2",
    { model: { ...readTokenizer("qwen2").tokenizer.model, ignore_merges: true } },
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
  "a token that takes spaces unlike Phi-3's": [
    "phi3",
    {
      added_tokens: readTokenizer("phi3").tokenizer.added_tokens.map((token) =>
        token.content === "<|end|>" ? { ...token, rstrip: false } : token,
      ),
    },
    undefined,
    'its token "</s>" takes the spaces beside it',
  ],
  "runs of spaces that are joined late": [
    "gemma",
    {
      model: {
        ...readTokenizer("gemma").tokenizer.model,
        merges: readTokenizer("gemma").tokenizer.model.merges.toSorted(
          (a, b) => Number(/^▁+,▁+$/.test(String(a))) - Number(/^▁+,▁+$/.test(String(b))),
        ),
      },
    },
    undefined,
    "llama.cpp would read the text",
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
        ...readTokenizer("llama2").tokenizer.model,
        merges: readTokenizer("llama2").tokenizer.model.merges.slice(0, -1),
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
