import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openSourceFolder } from "../../node/files/byte-source.ts";
import { openGgufFile } from "../../node/formats/gguf.ts";
import { renderTurns } from "./assistant-turns.ts";
import { chatOptionsOf } from "./chat-template.ts";
import { convertGgufTokenizer, openGgufTokenizer } from "./gguf.ts";
import { gemma3 as gemma3Golden, readGolden } from "./golden.fixture.ts";
import { openFolderTokenizer } from "./hugging-face.ts";
import { encodeGgufTokenizer } from "./to-gguf.ts";

const { SLIMTUNE_SMOLLM2_GGUF: smollm2, SLIMTUNE_GEMMA3_GGUF: gemma3, SLIMTUNE_MODELS: models } = process.env;
if (!smollm2)
  console.warn("Set SLIMTUNE_SMOLLM2_GGUF to SmolLM2-135M-Instruct as GGUF to test its tokenizer.");
if (!gemma3) console.warn("Set SLIMTUNE_GEMMA3_GGUF to Gemma 3 270M as GGUF to test its tokenizer.");
if (!models)
  console.warn("Set SLIMTUNE_MODELS to a folder that holds TinyStories-656K to test its tokenizer.");

const texts: readonly string[] = readGolden("texts");

describe.skipIf(!smollm2)("SmolLM2's tokenizer from GGUF", () => {
  const open = async () => {
    const file = await openGgufFile(smollm2!);
    const tokenizer = openGgufTokenizer(file.metadata);
    file.close();
    return tokenizer;
  };

  test("gives llama.cpp's ids, and Transformers' but for digits that are not ASCII", async () => {
    const tokenizer = await open();
    const llamaCppIds = readGolden("llama-cpp-ids").smollm2;
    const transformersIds = readGolden("smollm2-ids");
    for (const [i, text] of texts.entries()) {
      const ids = tokenizer.encode(text);
      expect(ids, JSON.stringify(text)).toEqual(llamaCppIds[i]);
      // Transformers reads "smollm" as GPT-2's rule, which does not cut numbers into digits.
      if (!/(?![0-9])\p{N}/u.test(text)) expect(ids, JSON.stringify(text)).toEqual(transformersIds[i]);
      // The vocabulary lacks some bytes, which occur here in control characters and unassigned ones only.
      if (!/\p{C}/u.test(text.replace(/[\t\r\n]/g, ""))) expect(tokenizer.decode(ids)).toBe(text);
    }
    expect(tokenizer).toMatchObject({
      vocabularySize: 49152,
      bosTokenId: 1,
      eosTokenId: 2,
      addsBosToken: false,
    });
  });

  test("has a chat template whose turns are found", async () => {
    const tokenizer = await open();
    const messages = [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello!" },
    ];
    const options = chatOptionsOf(tokenizer);
    const [turns] = renderTurns(tokenizer.chatTemplate!, messages, [1], tokenizer, options);
    const { text, spans } = turns!;
    expect(spans.map(([start, end]) => text.slice(start, end))).toEqual(["Hello!<|im_end|>"]);
  });
});

test.skipIf(!models)("TinyStories-656K's tokenizer gives the reference's ids", async () => {
  const tokenizer = await openFolderTokenizer(openSourceFolder(join(models!, "TinyStories-656K")));
  const ids = readGolden("tinystories-656k-ids");
  for (const [i, text] of texts.entries()) {
    expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids[i]);
  }
  expect(tokenizer).toMatchObject({ vocabularySize: 2048, bosTokenId: 1, eosTokenId: 2, addsBosToken: true });
});

describe.skipIf(!gemma3)("Gemma 3's tokenizer from GGUF", () => {
  const read = async () => {
    const file = await openGgufFile(gemma3!);
    file.close();
    return file.metadata;
  };

  test("gives Transformers' ids and texts", async () => {
    const tokenizer = openGgufTokenizer(await read());
    const { texts, ids, idsWithSpecialTokens, decoded, randomIds } = gemma3Golden;
    for (const [i, text] of texts.entries()) {
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids[i]);
      expect(tokenizer.decode(ids[i]!)).toBe(decoded[i] ?? text);
    }
    for (const [i, row] of idsWithSpecialTokens.entries())
      expect(tokenizer.encode(texts[30 + i]!, { addSpecialTokens: true })).toEqual(row);
    for (const [row, text] of randomIds) expect(tokenizer.decode(row)).toBe(text);
    expect(tokenizer).toMatchObject({ vocabularySize: 262_144, bosTokenId: 2, eosTokenId: 1, padTokenId: 0 });
  });

  test("opens in less than two seconds of a processor", async () => {
    const metadata = await read();
    const times = [1, 2, 3].map(() => {
      const before = process.cpuUsage();
      openGgufTokenizer(metadata);
      return process.cpuUsage(before).user / 1e6;
    });
    expect(Math.min(...times)).toBeLessThan(2);
  });

  test("is written as it was", { timeout: 120_000 }, async () => {
    const metadata = await read();
    const written = encodeGgufTokenizer(convertGgufTokenizer(metadata), 262_144, "Gemma 3 270m", "Gemma 3");
    for (const key of ["model", "pre", "tokens", "add_bos_token", "add_space_prefix", "bos_token_id"])
      expect(written.get(`tokenizer.ggml.${key}`), key).toEqual(metadata.get(`tokenizer.ggml.${key}`));
    const tokenizer = openGgufTokenizer(written);
    for (const [i, text] of gemma3Golden.texts.entries())
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(gemma3Golden.ids[i]);
  });
});
