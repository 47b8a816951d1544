/** @file Opens a model and loads its weights. */

import type { HubOptions } from "../formats/hub.ts";
import type { Tokenizer } from "../tokenization/tokenizer.ts";
import { type Checkpoint, openCheckpoint } from "./checkpoint.ts";
import type { ModelConfig } from "./config.ts";
import { resolveModel } from "./hub-model.ts";
import { fingerprintModel, type LoadOptions, loadWeights } from "./load-weights.ts";
import type { ModelWeights } from "./weights.ts";

/** A base model in memory. */
export interface Model {
  /** The path or Hub id that it was opened by. */
  readonly name: string;
  /** Its folder or file. */
  readonly path: string;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly weights: ModelWeights;
  /** Identifies the base model, whatever file it came from. */
  readonly fingerprint: string;
}

/**
 * Opens a model: a Hugging Face folder, a GGUF file, or a Hub id such as "HuggingFaceTB/SmolLM2-135M-Instruct".
 *
 * @throws InputError if there is no such model, or it is damaged or not supported.
 */
export async function openModel(nameOrPath: string, options: LoadOptions & HubOptions = {}): Promise<Model> {
  const checkpoint = openCheckpoint(await resolveModel(nameOrPath, options));
  try {
    return loadModel(nameOrPath, checkpoint, options);
  } finally {
    checkpoint.close();
  }
}

/** Loads an opened checkpoint's weights. */
export function loadModel(name: string, checkpoint: Checkpoint, options: LoadOptions): Model {
  const { config } = checkpoint;
  return {
    name,
    path: checkpoint.path,
    config,
    tokenizer: checkpoint.tokenizer(),
    weights: loadWeights(checkpoint, options),
    fingerprint: fingerprintModel(checkpoint),
  };
}
