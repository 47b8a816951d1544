/** @file llama.cpp through the package node-llama-cpp 3.22, where it is installed (see CONTRIBUTING.md). */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

const path = resolve(process.env.SLIMTUNE_NODE_LLAMA_CPP ?? "node_modules/node-llama-cpp", "dist/index.js");

export const hasLlamaCpp = existsSync(path);

/** What is used of the package. */
export interface Llama {
  loadModel(options: { modelPath: string }): Promise<LlamaModel>;
  dispose(): Promise<void>;
}

export interface LlamaModel {
  readonly fileInfo: { readonly metadata: { readonly tokenizer: { readonly chat_template?: string } } };
  createContext(options: { contextSize: number; threads: number; lora?: string }): Promise<{
    getSequence(): LlamaSequence;
    dispose(): Promise<void>;
  }>;
  tokenize(text: string, specialTokens: boolean): number[];
  detokenize(tokens: readonly number[]): string;
  isEogToken(token: number): boolean;
  dispose(): Promise<void>;
}

export interface LlamaSequence {
  clearHistory(): Promise<void>;
  evaluate(
    tokens: readonly number[],
    options: { temperature: 0; yieldEogToken: true },
  ): AsyncIterable<number>;
}

/** Puts a conversation into a chat template, by the package's own reader of templates. */
export interface LlamaChatWrapper {
  generateContextState(options: {
    chatHistory: readonly (
      | { readonly type: "system" | "user"; readonly text: string }
      | { readonly type: "model"; readonly response: readonly string[] }
    )[];
  }): { readonly contextText: { tokenize(tokenizer: LlamaModel["tokenize"]): number[] } };
}

interface Package {
  getLlama(options: { gpu: false; build: "never"; logLevel: "error" }): Promise<Llama>;
  JinjaTemplateChatWrapper: new (options: { template: string }) => LlamaChatWrapper;
}

const load = (): Promise<Package> => import(pathToFileURL(path).href);

export async function openLlamaCpp(): Promise<Llama> {
  return (await load()).getLlama({ gpu: false, build: "never", logLevel: "error" });
}

/** @throws Error if the model's file has no chat template. */
export async function openLlamaChat({ fileInfo }: LlamaModel): Promise<LlamaChatWrapper> {
  const template = fileInfo.metadata.tokenizer.chat_template;
  if (template === undefined) throw new Error("The model has no chat template.");
  return new (await load()).JinjaTemplateChatWrapper({ template });
}

/**
 * Two tokens nearer than this, in nats, may change places: llama.cpp rounds keys and values to float16, and what it
 * multiplies by quantized weights to 8 bits. That moves the logits of SmolLM2 by as much as rounding its weights to 8 bits
 * does, up to half a nat.
 */
export const nearTie = { sixteenBits: 0.01, eightBits: 0.5 } as const;
