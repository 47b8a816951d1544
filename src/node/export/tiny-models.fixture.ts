/** @file The tiny models of reference/tiny_models.py, with a tokenizer, which they lack. */

import { cpSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Model } from "../../core/models/model.ts";
import { byteLevel } from "../../core/tokenization/pre-tokenizer.ts";
import { openModel } from "../models/open-model.ts";

export const tinyModels = [
  "llama",
  "llama-tied",
  "llama-rope3",
  "llama-bias",
  "llama-head-dim",
  "mistral",
  "qwen2",
  "qwen3",
];

/** PEFT's adapters on them, made by reference/lora.py; the name's beginning is the model's. */
export const tinyAdapters = [
  "llama-all-linear",
  "llama-rslora",
  "llama-patterns",
  "llama-regex",
  "llama-subset",
  "qwen2-all-linear",
];

const specialTokens = ["<|end|>", "<|start|>"];
const letters = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.01ĠĊ"];
const tokens = [...specialTokens, ...letters, "th", "the"];

/** tokenizer.json with fewer tokens than the models' 64 embeddings. */
export const tinyTokenizer = {
  added_tokens: specialTokens.map((content, id) => ({ id, content, special: true, normalized: false })),
  normalizer: null,
  pre_tokenizer: {
    type: "Sequence",
    pretokenizers: [{ type: "Digits", individual_digits: true }, byteLevel({ useRegex: true })],
  },
  post_processor: null,
  decoder: byteLevel({ useRegex: true }),
  model: {
    type: "BPE",
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges: ["t h", "th e"],
  },
};

/** Opens a tiny model from a copy in `scratch`. */
export function openTinyModel(
  scratch: string,
  name: string,
  root = "fixtures/reference/models",
): Promise<Model> {
  const folder = join(scratch, name);
  if (!existsSync(folder)) {
    cpSync(join(root, name), folder, { recursive: true });
    writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tinyTokenizer));
    writeFileSync(
      join(folder, "tokenizer_config.json"),
      JSON.stringify({ eos_token: "<|end|>", chat_template: "{{ messages }}" }),
    );
  }
  return openModel(folder);
}
