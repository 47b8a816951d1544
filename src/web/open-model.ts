/** @file Opens a model in a browser. */

import type { ByteSource, SourceFolder } from "../core/formats/byte-source.ts";
import { openFolderCheckpoint } from "../core/models/checkpoint.ts";
import { type LoadOptions, loadWeights } from "../core/models/load-weights.ts";
import { createModel, type Model } from "../core/models/model.ts";
import { openUrl, urlFolder } from "./byte-sources.ts";

/**
 * Opens a model in Hugging Face's layout, or a GGUF file.
 *
 * @param source a folder, a GGUF file, or the address of either: one that ends in ".gguf" is of a file, others {@link urlFolder} reads
 * @throws InputError if it is damaged or not supported, or cannot be read.
 *
 * @example
 * const model = await openWebModel("https://example.org/SmolLM2-135M-Instruct", { storage: "nf4" });
 */
export async function openWebModel(
  source: SourceFolder | ByteSource | string,
  options: LoadOptions = {},
): Promise<Model> {
  const opened = typeof source === "string" ? await openAddress(source) : source;
  const checkpoint = await ("files" in opened ? openFolderCheckpoint(opened) : openGguf(opened));
  try {
    return await createModel(opened.name, checkpoint, await loadWeights(checkpoint, options));
  } finally {
    checkpoint.close();
  }
}

const openAddress = async (address: string) =>
  address.endsWith(".gguf") ? openUrl(address) : urlFolder(address);

/** What reads GGUF files is loaded for one. */
const openGguf = async (file: ByteSource) =>
  (await import("../core/models/gguf-checkpoint.ts")).openGgufCheckpoint(file);
