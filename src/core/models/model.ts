/** @file A base model in memory. */

import type { ModelConfig } from "../architectures/architecture.ts";
import { type ChatSettings, withChatSettings } from "../tokenization/chat-template.ts";
import type { TokenizerFiles } from "../tokenization/hugging-face.ts";
import type { Tokenizer } from "../tokenization/tokenizer.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { fingerprintModel } from "./load-weights.ts";
import type { ModelWeights } from "./weights.ts";

/** A base model in memory. */
export interface Model {
  /** The path, address or Hub id that it was opened by. */
  readonly name: string;
  /** Its folder or file. */
  readonly path: string;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** The tokenizer's files, where an adapter's tokens have made it another than the model's own. */
  readonly tokenizerFiles?: TokenizerFiles;
  readonly weights: ModelWeights;
  /** Identifies the base model, whatever file it came from. */
  readonly fingerprint: string;
}

/**
 * A model of what a checkpoint holds.
 *
 * @param name by which it was opened
 * @throws InputError if its tokenizer is missing, damaged or not supported.
 *
 * @example
 * const { openUrl } = await import("slimtune/web");
 * const url = "https://example.org/model.gguf";
 * const checkpoint = await openGgufCheckpoint(await openUrl(url));
 * const model = await createModel(url, checkpoint, await loadWeights(checkpoint, { storage: "nf4" }));
 */
export async function createModel(
  name: string,
  checkpoint: Checkpoint,
  weights: ModelWeights,
): Promise<Model> {
  return {
    name,
    path: checkpoint.path,
    config: checkpoint.config,
    tokenizer: await checkpoint.tokenizer(),
    weights,
    fingerprint: await fingerprintModel(checkpoint),
  };
}

/**
 * The model with another chat template, or another day as today's, in its chats.
 *
 * @example
 * const { openModel } = await import("slimtune");
 * const model = await openModel("fixtures/embedded-model");
 * const dated = adjustChat(model, { date: "2025-01-31" });
 */
export function adjustChat<T extends Model>(model: T, settings: ChatSettings): T {
  return { ...model, tokenizer: withChatSettings(model.tokenizer, settings) };
}
