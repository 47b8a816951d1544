/** @file What Hugging Face's tokenizers, Transformers and llama.cpp gave, from fixtures/. */

import { readFileSync } from "node:fs";
import type { ChatMessage, Span } from "./chat-template.ts";

function readJson(path: string) {
  return JSON.parse(readFileSync(new URL(`../../../fixtures/${path}.json`, import.meta.url), "utf8"));
}

/** A file that reference/tokenization.py or what goes with it wrote. */
export function readGolden(name: string) {
  return readJson(`tokenization/${name}`);
}

/** A tokenizer with its ids and texts by Hugging Face's tokenizers. */
export interface TokenizerGolden {
  readonly tokenizer: {
    added_tokens: { id: number; content: string }[];
    model: { vocab: Record<string, number>; merges: unknown[] };
  };
  readonly config: Readonly<Record<string, unknown>>;
  /** Metadata of GGUF without their prefix. */
  readonly gguf: Readonly<Record<string, unknown>> & {
    readonly tokens: string[];
    readonly scores?: number[];
    readonly token_type: number[];
  };
  readonly texts: readonly string[];
  readonly ids: readonly number[][];
  /** Of the texts from the 30th on. */
  readonly idsWithSpecialTokens: readonly number[][];
  /** What the ids decode to where it is not the text. */
  readonly decoded: Readonly<Record<number, string>>;
  readonly decodedWithoutSpecialTokens: Readonly<Record<number, string>>;
  readonly randomIds: readonly (readonly [ids: number[], text: string])[];
}

/** Tokenizers that reference/families_tokenization.py made. Its ids are llama.cpp's too, as families-llama-cpp-ids.mjs shows. */
const families = ["gemma", "phi3", "phi4", "phi4-mini", "smollm3", "olmo2", "granite3", "granite4"] as const;

/** Tokenizers that exist both as tokenizer.json and as GGUF's metadata. */
export const inBothForms = ["gpt2", "smollm", "llama3", "qwen2", "llama2", ...families];

export function readTokenizer(name: string): TokenizerGolden {
  if (families.some((family) => family === name)) return readJson(`reference/tokenizers/${name}`);
  return { texts: readGolden("texts"), ...readGolden(name) };
}

/** Renderings by Transformers. Other fields of a case are variables of the template. */
export interface TemplateGolden {
  readonly template: string;
  readonly tokenizer: string;
  readonly cases: readonly {
    readonly messages: readonly ChatMessage[];
    readonly add_generation_prompt?: boolean;
    readonly tools?: readonly object[];
    readonly error?: string;
    readonly text?: string;
    readonly ids?: readonly number[];
    readonly spans?: readonly Span[];
  }[];
}

export const templates: Readonly<Record<string, TemplateGolden>> = {
  ...readGolden("chat-templates"),
  ...readJson("reference/tokenizers/chat-templates"),
};

/** Of the tokenizer in a file of Gemma 3 270M. */
export const gemma3: Omit<TokenizerGolden, "tokenizer" | "config" | "gguf"> = readJson(
  "reference/tokenizers/gemma3-270m",
);
