/** @file The memory of a writer of texts before it is opened. */

import { defaultBits } from "../../core/decoding/batch-generator.ts";
import type { BitWidth } from "../../core/graph/operators/integer-matmul.ts";
import type { Storage } from "../../core/models/linear.ts";
import { chooseTableDtype } from "../../core/models/load-weights.ts";
import { estimateWriting, type WritingEstimate } from "../../core/training/estimate.ts";
import { chooseContext } from "../../core/training/training-options.ts";
import { openCheckpoint } from "../models/checkpoint.ts";
import { resolveModel } from "../models/hub-model.ts";

export interface EstimatedWriter {
  /** Folder, GGUF file or Hub id. */
  readonly model: string;
  readonly revision?: string;
  /** How weights are kept. Default "float32". */
  readonly storage?: Storage;
  /** Texts written at a time, as `openWriter` has them. Default 16. */
  readonly batchSize?: number;
  /** Tokens of each, its prompt included. Default 512, or the model's context if that is less. */
  readonly context?: number;
  /** As of `openWriter`. Default: 8 for weights in int8 and NF4, else exact. */
  readonly bits?: BitWidth | "exact";
  /** What prompts and texts that have ended may take, in bytes. Default 1 GiB. */
  readonly keptBytes?: number;
  /** Whether a reward model on the same base scores what is written. Default false. */
  readonly isScored?: boolean;
}

/**
 * The memory that texts written side by side take at most, as `reason`, `search` and `serve` write them, without loading a weight.
 *
 * @throws InputError if the model cannot be read, or its context is shorter than the one that is asked for.
 * @example
 * const { peakBytes } = await estimateWriter({ model: "model.gguf", batchSize: 64, isScored: true });
 * console.log(`${(peakBytes / 1e9).toFixed(1)} GB at most.`);
 */
export async function estimateWriter({
  storage = "float32",
  batchSize = 16,
  keptBytes = 2 ** 30,
  ...options
}: EstimatedWriter): Promise<WritingEstimate & { readonly length: number }> {
  const revision = options.revision === undefined ? {} : { revision: options.revision };
  const checkpoint = await openCheckpoint(await resolveModel(options.model, revision));
  checkpoint.close();
  const { config } = checkpoint;
  const longest = chooseContext(options.context, options.model, config);
  const length = options.context ?? Math.min(512, longest);
  const { bits = defaultBits({ weights: { storage } }), isScored = false } = options;
  const base = { config, storage, tableDtype: chooseTableDtype(checkpoint, storage) };
  const shape = { rows: batchSize, length, keptBytes, isScored, ...(bits !== "exact" && { bits }) };
  return { ...estimateWriting(base, shape), length };
}
