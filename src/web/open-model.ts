/** @file Opens a model in a browser. */

import type { SourceFolder } from "../core/formats/byte-source.ts";
import { openFolderCheckpoint } from "../core/models/checkpoint.ts";
import { type LoadOptions, loadWeights } from "../core/models/load-weights.ts";
import { createModel, type Model } from "../core/models/model.ts";
import { urlFolder } from "./byte-sources.ts";

/**
 * Opens a model in Hugging Face's layout. A GGUF file is opened by `slimtune/core`.
 *
 * @param source its folder, or the address of one, as {@link urlFolder} reads it
 * @throws InputError if it is damaged or not supported, or cannot be read.
 *
 * @example
 * const model = await openWebModel("https://example.org/SmolLM2-135M-Instruct", { storage: "nf4" });
 */
export async function openWebModel(source: SourceFolder | string, options: LoadOptions = {}): Promise<Model> {
  const folder = typeof source === "string" ? urlFolder(source) : source;
  const checkpoint = await openFolderCheckpoint(folder);
  try {
    return await createModel(folder.name, checkpoint, await loadWeights(checkpoint, options));
  } finally {
    checkpoint.close();
  }
}
