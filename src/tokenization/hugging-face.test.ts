import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { createTokenizer, openHuggingFaceTokenizer } from "./hugging-face.ts";

/** Made by reference/tokenization.py with Hugging Face's tokenizers. */
interface Golden {
  readonly tokenizer: { added_tokens: object[]; model: { vocab: Record<string, number>; merges: unknown[] } };
  readonly config: Record<string, unknown>;
  readonly ids: readonly number[][];
  readonly idsWithSpecialTokens: readonly number[][];
  readonly decoded: Readonly<Record<number, string>>;
  readonly decodedWithoutSpecialTokens: Readonly<Record<number, string>>;
  readonly randomIds: readonly (readonly [ids: number[], text: string])[];
}

function readGolden(name: string) {
  const path = new URL(`../../fixtures/tokenization/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf8"));
}

const texts: readonly string[] = readGolden("texts");

/** What a tokenizer makes of a text: Qwen2's normalizes it, and SentencePiece's cannot tell "▁" from a space. */
function restored(name: string, text: string): string {
  if (name === "qwen2") return text.normalize("NFC");
  if (name === "llama2") return text.replaceAll("▁", " ");
  // It puts a space in front only where there is none, and takes one away.
  if (name === "mistral") return text.replaceAll("▁", " ").replace(/^ /, "");
  return text;
}

describe.each(["gpt2", "smollm", "llama3", "qwen2", "llama2", "mistral"])("a tokenizer like %s's", (name) => {
  const golden: Golden = readGolden(name);
  const tokenizer = createTokenizer(golden, name);

  test("gives the reference's ids", () => {
    expect(golden.ids.length).toBe(texts.length);
    for (const [i, text] of texts.entries()) {
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(golden.ids[i]);
    }
  });

  test("adds the reference's special tokens", () => {
    for (const [i, ids] of golden.idsWithSpecialTokens.entries()) {
      expect(tokenizer.encode(texts[30 + i]!, { addSpecialTokens: true })).toEqual(ids);
    }
    expect(tokenizer.addsBosToken).toBe(["llama3", "llama2", "mistral"].includes(name));
  });

  test("decodes to the reference's text", () => {
    for (const [i, text] of texts.entries()) {
      const decoded = golden.decoded[i] ?? text;
      expect(tokenizer.decode(golden.ids[i]!)).toBe(decoded);
      const withoutSpecialTokens = golden.decodedWithoutSpecialTokens[i] ?? decoded;
      expect(tokenizer.decode(golden.ids[i]!, { skipSpecialTokens: true })).toBe(withoutSpecialTokens);
    }
  });

  test("decodes broken sequences as the reference does", () => {
    for (const [ids, text] of golden.randomIds) expect(tokenizer.decode(ids)).toBe(text);
  });

  test("knows its tokens", () => {
    const { vocab } = golden.tokenizer.model;
    for (const [token, id] of Object.entries(vocab)) {
      expect(tokenizer.idOf(token)).toBe(id);
      expect(tokenizer.tokenOf(id)).toBe(token);
    }
    expect(tokenizer.tokenOf(tokenizer.vocabularySize)).toBeUndefined();
    expect(tokenizer.idOf("no such token")).toBeUndefined();
    expect(tokenizer.isSpecial(tokenizer.eosTokenId!)).toBe(true);
    expect(tokenizer.isSpecial(tokenizer.encode("a")[0]!)).toBe(false);
  });

  test("loses no text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(restored(name, text));
      }),
    );
  });
});

describe("the files of a tokenizer", () => {
  const golden: Golden = readGolden("smollm");
  const { tokenizer } = golden;

  test("are read from a folder, with the template of its own file first", () => {
    const folder = mkdtempSync(join(tmpdir(), "tokenizer-"));
    try {
      writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
      expect(openHuggingFaceTokenizer(folder).chatTemplate).toBeUndefined();
      writeFileSync(
        join(folder, "generation_config.json"),
        JSON.stringify({ eos_token_id: [2, 0], bos_token_id: 1 }),
      );
      expect(openHuggingFaceTokenizer(folder)).toMatchObject({
        eosTokenId: 2,
        bosTokenId: 1,
        padTokenId: undefined,
      });
      writeFileSync(
        join(folder, "special_tokens_map.json"),
        JSON.stringify({ eos_token: { content: "<|endoftext|>" } }),
      );
      expect(openHuggingFaceTokenizer(folder).eosTokenId).toBe(0);
      const config = {
        eos_token: "<|im_end|>",
        pad_token: { content: "<|im_start|>" },
        chat_template: "in the config",
      };
      writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
      const opened = openHuggingFaceTokenizer(folder);
      expect(opened).toMatchObject({ eosTokenId: 2, padTokenId: 1, chatTemplate: "in the config" });
      writeFileSync(join(folder, "chat_template.jinja"), "in its own file");
      expect(openHuggingFaceTokenizer(folder).chatTemplate).toBe("in its own file");
      writeFileSync(join(folder, "tokenizer_config.json"), "{");
      expect(() => openHuggingFaceTokenizer(folder)).toThrow(/tokenizer_config\.json is not valid JSON/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("may hold several templates", () => {
    const chat_template = [
      { name: "tool_use", template: "tools" },
      { name: "default", template: "plain" },
    ];
    expect(createTokenizer({ tokenizer, config: { chat_template } }, "").chatTemplate).toBe("plain");
  });

  test("make special tokens of those that the configuration names", () => {
    const config = { pad_token: "<pad>", additional_special_tokens: ["the"] };
    const extended = createTokenizer({ tokenizer, config }, "");
    const plain = createTokenizer({ tokenizer }, "");
    expect(extended.padTokenId).toBe(plain.vocabularySize);
    expect(extended.vocabularySize).toBe(plain.vocabularySize + 1);
    expect(extended.encode("a<pad>")).toEqual([...plain.encode("a"), plain.vocabularySize]);
    expect(extended.isSpecial(plain.idOf("the")!)).toBe(true);
  });

  test("decode to nothing where there is no token", () => {
    const opened = createTokenizer({ tokenizer }, "");
    expect(opened.decode([])).toBe("");
    expect(opened.decode([opened.vocabularySize, 10 ** 6])).toBe("");
  });

  test("are refused if damaged", () => {
    const withModel = (model: object) => ({
      tokenizer: { ...tokenizer, model: { ...tokenizer.model, ...model } },
    });
    const damaged: [object, RegExp][] = [
      [{ tokenizer: [] }, /has no "model"/],
      [{ tokenizer: { model: null } }, /has no "model"/],
      [withModel({ type: "Unigram" }), /supported is BPE/],
      [withModel({ vocab: ["a"] }), /without a vocabulary/],
      [withModel({ vocab: { a: 1e9 } }), /the id 1000000000/],
      [withModel({ vocab: { a: -1 } }), /the id -1/],
      [withModel({ vocab: { a: "0" } }), /the id 0/],
      [withModel({ merges: ["abc"] }), /not two tokens/],
      [withModel({ merges: [["a", 1]] }), /not two tokens/],
      [
        {
          tokenizer: {
            ...tokenizer,
            post_processor: {
              type: "TemplateProcessing",
              single: [
                { SpecialToken: { id: "<absent>", type_id: 0 } },
                { Sequence: { id: "A", type_id: 0 } },
              ],
              pair: [],
            },
          },
        },
        /special token that it does not have/,
      ],
      [withModel({ dropout: 0.1 }), /"dropout"/],
      [
        { tokenizer: { ...tokenizer, added_tokens: [{ id: 0, content: "a", single_word: true }] } },
        /whole words/,
      ],
      [{ tokenizer: { ...tokenizer, added_tokens: {} } }, /"added_tokens" is not a list/],
      [{ tokenizer: { ...tokenizer, added_tokens: [{ id: 0 }] } }, /without a text/],
      [{ tokenizer: { ...tokenizer, pre_tokenizer: { type: "Unheard" } } }, /Unheard/],
      [{ tokenizer: { ...tokenizer, decoder: { type: "Unheard" } } }, /Unheard/],
    ];
    for (const [files, message] of damaged) {
      const open = () => createTokenizer(files as { tokenizer: unknown }, "tokenizer.json");
      expect(open).toThrow(InputError);
      expect(open).toThrow(message);
    }
    expect(() => openHuggingFaceTokenizer(tmpdir())).toThrow(/holds no tokenizer\.json/);
  });
});
