import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openSourceFolder } from "../../node/files/byte-source.ts";
import { InputError } from "../errors.ts";
import { inBothForms, readTokenizer } from "./golden.fixture.ts";
import { createTokenizer, openFolderTokenizer } from "./hugging-face.ts";

/** What a tokenizer makes of a text: Qwen2's normalizes it, and SentencePiece's cannot tell "▁" from a space. */
function restored(name: string, text: string): string {
  if (name === "qwen2") return text.normalize("NFC");
  if (["llama2", "gemma", "phi3"].includes(name)) return text.replaceAll("▁", " ");
  // It puts a space in front only where there is none, and takes one away.
  if (name === "mistral") return text.replaceAll("▁", " ").replace(/^ /, "");
  return text;
}

describe.each([...inBothForms, "mistral"])("a tokenizer like %s's", (name) => {
  const golden = readTokenizer(name);
  const { texts } = golden;
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
    expect(tokenizer.addsBosToken).toBe(["llama3", "llama2", "mistral", "gemma"].includes(name));
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
  const { tokenizer } = readTokenizer("smollm");

  test("are read from a folder, with the template of its own file first", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tokenizer-"));
    try {
      writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
      expect((await openFolderTokenizer(openSourceFolder(folder))).chatTemplate).toBeUndefined();
      writeFileSync(
        join(folder, "generation_config.json"),
        JSON.stringify({ eos_token_id: [2, 0], bos_token_id: 1 }),
      );
      expect(await openFolderTokenizer(openSourceFolder(folder))).toMatchObject({
        eosTokenId: 2,
        bosTokenId: 1,
        padTokenId: undefined,
      });
      writeFileSync(
        join(folder, "special_tokens_map.json"),
        JSON.stringify({ eos_token: { content: "<|endoftext|>" } }),
      );
      expect((await openFolderTokenizer(openSourceFolder(folder))).eosTokenId).toBe(0);
      const config = {
        eos_token: "<|im_end|>",
        pad_token: { content: "<|im_start|>" },
        chat_template: "in the config",
      };
      writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
      const opened = await openFolderTokenizer(openSourceFolder(folder));
      expect(opened).toMatchObject({ eosTokenId: 2, padTokenId: 1, chatTemplate: "in the config" });
      writeFileSync(join(folder, "chat_template.jinja"), "in its own file");
      expect((await openFolderTokenizer(openSourceFolder(folder))).chatTemplate).toBe("in its own file");
      writeFileSync(join(folder, "tokenizer_config.json"), "{");
      await expect(openFolderTokenizer(openSourceFolder(folder))).rejects.toThrow(
        /tokenizer_config\.json is not valid JSON/,
      );
      writeFileSync(join(folder, "tokenizer_config.json"), Buffer.of(0x22, 0xff, 0x22));
      await expect(openFolderTokenizer(openSourceFolder(folder))).rejects.toThrow(
        /tokenizer_config\.json: the text is not in UTF-8/,
      );
      rmSync(join(folder, "tokenizer_config.json"));
      mkdirSync(join(folder, "tokenizer_config.json"));
      await expect(openFolderTokenizer(openSourceFolder(folder))).rejects.toThrow(
        /tokenizer_config\.json cannot be opened for reading/,
      );
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

  test("may add tokens in the configuration, and change their flags, as in Transformers", () => {
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
    const model = { type: "BPE", vocab: { a: 0, b: 1, ab: 2, " ": 3 }, merges: [["a", "b"]] };
    const open = (added_tokens_decoder: object) =>
      createTokenizer(
        {
          tokenizer: { model, added_tokens: [{ id: 4, content: "<x>", ...flags }] },
          config: { added_tokens_decoder },
        },
        "tokenizer.json",
      );
    expect(open({ 5: { content: "<y>", ...flags } }).encode("a<y> <x>")).toEqual([0, 5, 3, 4]);
    expect(open({ 4: { content: "<x>", ...flags, lstrip: true } }).encode("a <x>")).toEqual([0, 4]);
    expect(open({ 4: { content: "<x>", ...flags, special: false } }).isSpecial(4)).toBe(false);
    expect(() => open({ 9: { content: "<y>", ...flags } })).toThrow(/"<y>" the id 9, but .* count it as 5/);
  });

  test("decode to nothing where there is no token", () => {
    const opened = createTokenizer({ tokenizer }, "");
    expect(opened.decode([])).toBe("");
    expect(opened.decode([opened.vocabularySize, 10 ** 6])).toBe("");
  });

  test("are refused if damaged", async () => {
    const withModel = (model: object) => ({
      tokenizer: { ...tokenizer, model: { ...tokenizer.model, ...model } },
    });
    const withAddedTokens = (added_tokens: unknown) => ({ tokenizer: { ...tokenizer, added_tokens } });
    const deep = JSON.parse("[".repeat(100_000) + "]".repeat(100_000));
    const damaged: [object, RegExp][] = [
      [{ tokenizer: [] }, /has no "model"/],
      [{ tokenizer: { model: null } }, /has no "model"/],
      [withModel({ type: "Unigram" }), /supported is BPE/],
      [withModel({ vocab: ["a"] }), /without a vocabulary/],
      [withModel({ vocab: { a: 1e9 } }), /the id 1000000000/],
      [withModel({ vocab: { a: -1 } }), /the id -1/],
      [withModel({ vocab: { a: "0" } }), /the id "0"/],
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
        /the special token "<absent>" without its ids/,
      ],
      [withModel({ dropout: 0.1 }), /"dropout"/],
      [withModel({ end_of_word_suffix: "</w>" }), /"end_of_word_suffix"/],
      [withModel({ vocab: { "\ud83d": 0 }, merges: [] }), /a token that is no valid text: "\\ud83d"/],
      [withModel({ fuse_unk: 1 }), /"fuse_unk" to 1 in place of true or false/],
      [withModel({ unk_token: 0 }), /"unk_token" to 0 in place of a text/],
      [withModel({ type: deep }), /of the type a list of 1; supported is BPE/],
      [withModel({ vocab: { a: deep } }), /the id a list of 1, which is not valid/],
      [withModel({ merges: [deep] }), /not two tokens: a list of 1/],
      [withModel({ vocab: { a: 0, b: 0 }, merges: [] }), /the tokens "a" and "b" the same id 0/],
      [withModel({ vocab: { a: 0, ab: 1 }, merges: ["a b"] }), /merge of "a" and "b", .* lacks "b"/],
      [withModel({ vocab: { a: 0, b: 1 }, merges: [["a", "b"]] }), /merge of "a" and "b", .* lacks "ab"/],
      [
        withModel({ vocab: { a: 0, u: 1, au: 2 }, merges: ["a u"], unk_token: "u" }),
        /merge of "a" and "u", of which one stands for unknown characters/,
      ],
      [
        withModel({ vocab: { a: 0, "<0x0A>": 1, "<0x0A>a": 2 }, merges: ["<0x0A> a"], byte_fallback: true }),
        /of which one stands for unknown characters/,
      ],
      [withAddedTokens([{ id: 0, content: "<new>" }]), /"<new>" the id 0, but .* count it as \d+/],
      [withAddedTokens([tokenizer.added_tokens[0], tokenizer.added_tokens[0]]), /the added token ".*" twice/],
      [withAddedTokens({}), /"added_tokens" is not a list/],
      [withAddedTokens([{ id: 0 }]), /without a text/],
    ];
    for (const [files, message] of damaged) {
      const open = () => createTokenizer(files as { tokenizer: unknown }, "tokenizer.json");
      expect(open).toThrow(InputError);
      expect(open).toThrow(message);
    }
    await expect(openFolderTokenizer(openSourceFolder(tmpdir()))).rejects.toThrow(/holds no tokenizer\.json/);
  });

  const split = { type: "Split", pattern: { String: " " }, behavior: "Isolated", invert: false };
  const first = { type: "Metaspace", replacement: "▁", prepend_scheme: "first" };
  const deep = JSON.parse('{"type":"Sequence","pretokenizers":['.repeat(100_000) + "]}".repeat(100_000));
  const refused: [part: object, message: RegExp][] = [
    ...["normalizer", "pre_tokenizer", "post_processor", "decoder"].flatMap((name): [object, RegExp][] => [
      [{ [name]: { type: "Unheard" } }, /of the type "Unheard", which is not supported/],
      [{ [name]: {} }, /of the type undefined, which is not supported/],
      [{ [name]: deep }, /nests too deeply/],
    ]),
    ...["Precompiled", "BertNormalizer", "Nmt", "ByteLevel"].map((type): [object, RegExp] => [
      { normalizer: { type } },
      /its normalizer is of the type/,
    ]),
    ...["UnicodeScripts", "FixedLength", "Replace"].map((type): [object, RegExp] => [
      { pre_tokenizer: { type } },
      /its pre-tokenizer is of the type/,
    ]),
    ...["WordPiece", "BPEDecoder", "CTC"].map((type): [object, RegExp] => [
      { decoder: { type } },
      /its decoder is of the type/,
    ]),
    [
      { pre_tokenizer: { ...split, behavior: "isolated" } },
      /"behavior" of its Split is not one of Removed, Iso/,
    ],
    [{ pre_tokenizer: { ...split, behavior: undefined } }, /"behavior" of its Split is not one of/],
    [{ pre_tokenizer: { ...split, invert: "no" } }, /"invert" of its Split is not true or false/],
    [{ pre_tokenizer: { ...split, pattern: "a" } }, /a pattern that is neither a text nor an expression/],
    [{ pre_tokenizer: { ...split, pattern: { Regex: "a++b" } } }, /its expression uses "\+\+", which is not/],
    [{ pre_tokenizer: { ...split, pattern: { Regex: "(?>a|b)c" } } }, /its expression uses "\(\?>"/],
    [{ pre_tokenizer: { ...split, pattern: { Regex: "\\Ga" } } }, /its expression uses "\\G"/],
    [
      { pre_tokenizer: { ...split, pattern: { Regex: "(?i:é)" } } },
      /ignores the case of letters beyond ASCII/,
    ],
    [{ pre_tokenizer: { ...split, pattern: { Regex: "(" } } }, /cannot be used: Invalid regular expression/],
    [{ pre_tokenizer: { ...first, replacement: "__" } }, /"replacement" of its Metaspace is not a character/],
    [{ pre_tokenizer: { ...first, prepend_scheme: "last" } }, /not one of always, first, never/],
    [{ pre_tokenizer: { ...first, add_prefix_space: false } }, /"add_prefix_space" does not fit/],
    [
      { pre_tokenizer: first, normalizer: { type: "Prepend", prepend: "▁" } },
      /changes the beginning of a text/,
    ],
    [
      { pre_tokenizer: { type: "Sequence", pretokenizers: 1 } },
      /"pretokenizers" of its Sequence is not a list/,
    ],
    [{ normalizer: { type: "Prepend" } }, /"prepend" of its Prepend is not a text/],
    [{ decoder: { type: "Strip", content: " ", start: -1, stop: 0 } }, /"start" of its Strip is not a whole/],
    [{ post_processor: { type: "TemplateProcessing", single: [] } }, /does not take the text exactly once/],
    [{ post_processor: { type: "BertProcessing", cls: ["a", 0], sep: ["b", 10 ** 6] } }, /of the id 1000000/],
  ];
  test("are refused with a part that is not supported, by its name", () => {
    for (const [part, message] of refused) {
      const open = () => createTokenizer({ tokenizer: { ...tokenizer, ...part } }, "tokenizer.json");
      expect(open).toThrow(InputError);
      expect(open).toThrow(message);
    }
  });

  test("that name an unknown token which the vocabulary lacks encode all but what needs it", () => {
    const model = { ...tokenizer.model, vocab: { a: 0 }, merges: [], unk_token: "<unk>" };
    const opened = createTokenizer({ tokenizer: { model, added_tokens: [] } }, "tokenizer.json");
    expect(opened.encode("aa")).toEqual([0, 0]);
    expect(() => opened.encode("ab")).toThrow(
      new InputError(
        'tokenizer.json has no token for "b", and its "unk_token" "<unk>" is not in its vocabulary.',
      ),
    );
  });
});
