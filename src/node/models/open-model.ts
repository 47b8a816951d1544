/** @file Opens a model and loads its weights. */

import { countParameters } from "../../core/architectures/modules.ts";
import type { Checkpoint } from "../../core/models/checkpoint.ts";
import { isQuantized } from "../../core/models/linear.ts";
import {
  type BlockTensors,
  joinWeights,
  type LoadOptions,
  loadWeights,
} from "../../core/models/load-weights.ts";
import { createModel, type Model } from "../../core/models/model.ts";
import type { ModelWeights } from "../../core/models/weights.ts";
import type { HubOptions } from "../hub/hub.ts";
import { openBlocks } from "./block-file.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { resolveModel } from "./hub-model.ts";

/**
 * Opens a model: a Hugging Face folder, a GGUF file, or a Hub id such as "HuggingFaceTB/SmolLM2-135M-Instruct".
 *
 * @throws InputError if there is no such model, or it is damaged or not supported.
 * @example
 * const model = await openModel("HuggingFaceTB/SmolLM2-135M-Instruct", { storage: "nf4" });
 * console.log(model.config.numHiddenLayers);
 */
export async function openModel(nameOrPath: string, options: OpenOptions & HubOptions = {}): Promise<Model> {
  const checkpoint = await openCheckpoint(await resolveModel(nameOrPath, options));
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
  const { storage = "float32", weightsOnDisk = false } = options;
  const isLarge = countParameters(checkpoint.config) >= keptParameters;
  const isKept = weightsOnDisk || (isQuantized(storage) && isLarge);
  return createModel(name, checkpoint, await (isKept ? loadKeptWeights : loadWeights)(checkpoint, options));
}

async function loadKeptWeights(checkpoint: Checkpoint, options: OpenOptions): Promise<ModelWeights> {
  const { readBlock, openTable } = await openBlocks(checkpoint, options);
  if (options.weightsOnDisk) {
    const weights = await joinWeights(checkpoint, options, (layer) => readBlock(layer, true), openTable);
    return { ...weights, readsBlocks: true };
  }
  const blocks: BlockTensors[] = [];
  for (let layer = 0; layer < checkpoint.config.numHiddenLayers; layer++) blocks.push(await readBlock(layer));
  return joinWeights(checkpoint, options, async (layer) => blocks[layer]!);
}
