import { describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { convertGgufTokenizer, openGgufTokenizer } from "./gguf.ts";
import { inBothForms, readGolden, readTokenizer } from "./golden.fixture.ts";
import { createTokenizer } from "./hugging-face.ts";

const texts: readonly string[] = readGolden("texts");
const llamaCppIds: Readonly<Record<string, number[][]>> = readGolden("llama-cpp-ids");

function readMetadata(name: string, changes: object = {}): Map<string, unknown> {
  const entries = Object.entries({ ...readTokenizer(name).gguf, ...changes });
  return new Map([
    ["general.name", `A tiny ${name}`],
    ...entries.map(([key, value]) => [`tokenizer.ggml.${key}`, value] as const),
  ]);
}

describe.each(inBothForms)("a GGUF tokenizer like %s's", (name) => {
  const golden = readTokenizer(name);
  const { texts } = golden;
  const metadata = readMetadata(name);
  const tokenizer = openGgufTokenizer(metadata);

  test("equals that of the model's own files", () => {
    const own = createTokenizer(golden, name);
    for (const [i, text] of texts.entries()) {
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(golden.ids[i]);
      expect(tokenizer.decode(golden.ids[i]!)).toBe(golden.decoded[i] ?? text);
    }
    for (const [i, ids] of golden.idsWithSpecialTokens.entries()) {
      expect(tokenizer.encode(texts[30 + i]!, { addSpecialTokens: true })).toEqual(ids);
    }
    const { vocabularySize, bosTokenId, eosTokenId, unkTokenId, addsBosToken } = own;
    expect(tokenizer).toMatchObject({ vocabularySize, bosTokenId, eosTokenId, unkTokenId, addsBosToken });
    for (let id = 0; id < vocabularySize; id++) {
      expect(tokenizer.tokenOf(id)).toBe(own.tokenOf(id));
      expect(tokenizer.isSpecial(id)).toBe(own.isSpecial(id));
    }
  });

  test("equals llama.cpp's", () => {
    for (const [i, text] of texts.entries()) {
      // llama.cpp leaves out the normalization that Qwen's own tokenizer does.
      if (name === "qwen2" && text !== text.normalize("NFC")) continue;
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual((llamaCppIds[name] ?? golden.ids)[i]);
    }
  });

  test("survives being written as Hugging Face's files", () => {
    const files = JSON.parse(JSON.stringify(convertGgufTokenizer(metadata)));
    const reread = createTokenizer(files, name);
    for (const text of texts) expect(reread.encode(text)).toEqual(tokenizer.encode(text));
  });
});

test("llama.cpp's default rule is its own", () => {
  const tokenizer = openGgufTokenizer(readMetadata("gpt2", { pre: "default" }));
  const unnamed = openGgufTokenizer(readMetadata("gpt2", { pre: undefined }));
  for (const [i, text] of texts.entries()) {
    expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(llamaCppIds.default![i]);
    expect(unnamed.encode(text)).toEqual(llamaCppIds.default![i]);
  }
  expect(llamaCppIds.default).not.toEqual(llamaCppIds.gpt2);
});

test("the chat template and the flags are read", () => {
  const metadata = readMetadata("llama2", {
    add_bos_token: undefined,
    add_eos_token: true,
    padding_token_id: 2,
  });
  metadata.set("tokenizer.chat_template", "a template");
  const tokenizer = openGgufTokenizer(metadata);
  expect(tokenizer).toMatchObject({ chatTemplate: "a template", addsBosToken: true, padTokenId: 2 });
  const ids = tokenizer.encode("a", { addSpecialTokens: true });
  expect([ids[0], ids.at(-1)]).toEqual([1, 2]);

  const without = openGgufTokenizer(
    readMetadata("llama2", { add_bos_token: false, add_space_prefix: false }),
  );
  expect(without.addsBosToken).toBe(false);
  expect(without.decode(without.encode("the people"))).toBe("the people");
  expect(without.tokenOf(without.encode("the")[0]!)).not.toMatch(/^▁/);
});

test("SentencePiece itself gives the same ids, but for special tokens that stand in the text", () => {
  const { ids, sentencePieceIds } = readGolden("llama2");
  const tokenizer = openGgufTokenizer(readMetadata("llama2"));
  for (const [i, text] of texts.entries()) {
    if (text === "" || /<unk>|<\/?s>/.test(text)) continue;
    expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(sentencePieceIds[i] ?? ids[i]);
  }
});

test("added tokens take the spaces behind them only in models that are called Phi-3, as in llama.cpp", () => {
  const metadata = readMetadata("phi3");
  const ids = [704, 624, 663, 672, 633, 624, 702, 624, 663, 701, 624, 663, 609];
  const text = "<|user|>\nHi <|end|>\n<|assistant|>\n x";
  for (const name of ["Phi 3", undefined, 3])
    expect(openGgufTokenizer(metadata.set("general.name", name)).encode(text)).toEqual(ids);
  for (const name of ["Phi-3.5-mini", "A PHI3"])
    expect(openGgufTokenizer(metadata.set("general.name", name)).encode(text)).not.toEqual(ids);
});

test("runs of spaces that are tokens are joined before all else", () => {
  const { tokens, token_type } = readTokenizer("gemma").gguf;
  const runs = tokens.flatMap((token, id) => (/^ +$/.test(token) ? [id] : []));
  expect(runs.map((id) => tokens[id])).toEqual(["  ", "   ", "    "]);
  const open = (changes: object) => openGgufTokenizer(readMetadata("gemma", changes));
  const tokenizer = open({});
  expect(runs.map((id) => tokenizer.tokenOf(id))).toEqual(["▁▁", "▁▁▁", "▁▁▁▁"]);
  expect(tokenizer.encode("a  the")).toContain(runs[0]);
  // Where the vocabulary has both spellings, or a space is put before each text, they stay as they are.
  const both = tokens.with(token_type.lastIndexOf(1), "▁▁");
  for (const changes of [{ tokens: both }, { add_space_prefix: true }]) {
    expect(open(changes).tokenOf(runs[0]!)).toBe("  ");
    expect(open(changes).encode("a  the")).toContain(runs[0]);
  }
});

test("bytes that a vocabulary lacks are left out", () => {
  const { tokens } = readGolden("gpt2").gguf;
  const without = tokens.map((token: string) => (token === "X" ? "no longer X" : token));
  const tokenizer = openGgufTokenizer(readMetadata("gpt2", { tokens: without, unknown_token_id: 0 }));
  expect(tokenizer.decode(tokenizer.encode("aXb"))).toBe("ab");
});

test("numbers may come as typed arrays", () => {
  const { scores, token_type } = readGolden("llama2").gguf;
  const typed = { scores: Float64Array.from(scores), token_type: Int32Array.from(token_type) };
  const tokenizer = openGgufTokenizer(readMetadata("llama2", typed));
  expect(tokenizer.encode("the people know")).toEqual(llamaIds("the people know"));
});

function llamaIds(text: string): number[] {
  return openGgufTokenizer(readMetadata("llama2")).encode(text);
}

test("what is damaged or not supported is refused", () => {
  const damaged: [Map<string, unknown>, RegExp][] = [
    [new Map(), /"tokenizer\.ggml\.tokens" is not a list of texts/],
    [readMetadata("gpt2", { tokens: [1] }), /tokens" is not a list of texts/],
    [readMetadata("gpt2", { merges: undefined }), /merges" is not a list of texts/],
    [readMetadata("gpt2", { merges: ["abc"] }), /not two tokens/],
    [readMetadata("gpt2", { model: "bert" }), /"bert"; supported are "gpt2" .* and "llama"/],
    [readMetadata("gpt2", { pre: "unheard" }), /"unheard".*default, gpt-2, smollm, refact, llama-bpe.*qwen2/],
    [readMetadata("gpt2", { token_type: [1] }), /token_type" is not a list of 600 numbers/],
    [
      readMetadata("gpt2", { merges: ["a absent"] }),
      /a merge of "a" and "absent", but its vocabulary lacks "absent"/,
    ],
    [
      readMetadata("gpt2", { tokens: ["a", "b", "a"], token_type: [1, 1, 1], merges: [] }),
      /the token "a" twice, with the ids 0 and 2/,
    ],
    [readMetadata("gpt2", { eos_token_id: 600 }), /eos_token_id" is 600, but its tokenizer has 600 tokens/],
    [readMetadata("gpt2", { bos_token_id: "0" }), /bos_token_id" is 0, but/],
    [readMetadata("gpt2", { eos_token_id: 0, add_eos_token: 1 }), /add_eos_token" is not true or false/],
    [readMetadata("llama2", { scores: [1] }), /scores" is not a list of 700 numbers/],
    [
      readMetadata("llama2", { scores: readGolden("llama2").gguf.scores.map(() => Number.NaN) }),
      /scores" is not a list of 700 numbers/,
    ],
    [readMetadata("llama2", { scores: undefined }), /lacks "tokenizer\.ggml\.scores"/],
    [readMetadata("llama2", { scores: "high" }), /scores" is not a list/],
    [
      readMetadata("llama2", { tokens: ["a".repeat(10_000)], scores: [0], token_type: [1] }),
      /a piece of 10000 characters/,
    ],
  ];
  for (const [metadata, message] of damaged) {
    expect(() => openGgufTokenizer(metadata)).toThrow(InputError);
    expect(() => openGgufTokenizer(metadata)).toThrow(message);
  }
});
