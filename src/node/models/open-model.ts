/** @file Opens a model and loads its weights. */

import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { countParameters } from "../../core/architectures/modules.ts";
import { isQuantized } from "../../core/models/linear.ts";
import {
  fingerprintModel,
  joinWeights,
  type LoadOptions,
  loadWeights,
} from "../../core/models/load-weights.ts";
import type { ModelWeights } from "../../core/models/weights.ts";
import { type ChatSettings, withChatSettings } from "../../core/tokenization/chat-template.ts";
import type { TokenizerFiles } from "../../core/tokenization/hugging-face.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import type { HubOptions } from "../hub/hub.ts";
import { openBlocks } from "./block-file.ts";
import { type Checkpoint, openCheckpoint } from "./checkpoint.ts";
import { resolveModel } from "./hub-model.ts";

/** A base model in memory. */
export interface Model {
  /** The path or Hub id that it was opened by. */
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
 * Opens a model: a Hugging Face folder, a GGUF file, or a Hub id such as "HuggingFaceTB/SmolLM2-135M-Instruct".
 *
 * @throws InputError if there is no such model, or it is damaged or not supported.
 * @example
 * const model = await openModel("HuggingFaceTB/SmolLM2-135M-Instruct", { storage: "nf4" });
 * console.log(model.config.numHiddenLayers);
 */
export async function openModel(nameOrPath: string, options: OpenOptions & HubOptions = {}): Promise<Model> {
  const checkpoint = openCheckpoint(await resolveModel(nameOrPath, options));
  try {
    return await loadModel(nameOrPath, checkpoint, options);
  } finally {
    checkpoint.close();
  }
}

export interface OpenOptions extends LoadOptions {
  /**
   * Whether blocks and tables stay on disk, and each block and row is read whenever it is asked for. Only for quantized weights.
   * Default false.
   */
  readonly weightsOnDisk?: boolean;
}

/** From how many parameters on quantizing takes so long that its result is kept on disk. */
const keptParameters = 500e6;

/** Loads an opened checkpoint's weights. @throws InputError as {@link openModel} */
export async function loadModel(
  name: string,
  checkpoint: Checkpoint,
  options: OpenOptions = {},
): Promise<Model> {
  const { config } = checkpoint;
  const { storage = "float32", weightsOnDisk = false } = options;
  const isKept = weightsOnDisk || (isQuantized(storage) && countParameters(config) >= keptParameters);
  return {
    name,
    path: checkpoint.path,
    config,
    tokenizer: checkpoint.tokenizer(),
    weights: isKept ? await loadKeptWeights(checkpoint, options) : loadWeights(checkpoint, options),
    fingerprint: fingerprintModel(checkpoint),
  };
}

/**
 * The model with another chat template, or another day as today's, in its chats.
 *
 * @example
 * const model = await openModel("fixtures/embedded-model");
 * const dated = adjustChat(model, { date: "2025-01-31" });
 */
export function adjustChat<T extends Model>(model: T, settings: ChatSettings): T {
  return { ...model, tokenizer: withChatSettings(model.tokenizer, settings) };
}

async function loadKeptWeights(checkpoint: Checkpoint, options: OpenOptions): Promise<ModelWeights> {
  const { readBlock, openTable } = await openBlocks(checkpoint, options);
  if (options.weightsOnDisk)
    return joinWeights(checkpoint, options, (layer) => readBlock(layer, true), openTable);
  const blocks = Array.from({ length: checkpoint.config.numHiddenLayers }, (_, layer) => readBlock(layer));
  return joinWeights(checkpoint, options, (layer) => blocks[layer]!);
}
