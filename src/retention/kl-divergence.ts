/** @file How far tuning has moved a model's predictions on text that it was not tuned on. */

import type { AdaptedModel } from "../core/adapters/adapted-model.ts";
import { createPairedReader, klDivergence } from "../core/decoding/paired-predictions.ts";
import { InputError } from "../core/errors.ts";
import type { Device } from "../core/runtime/device.ts";
import { adjustBeginning } from "../core/tokenization/beginning.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { pairedBootstrap } from "../statistics/paired-bootstrap.ts";
import type { Estimate } from "../statistics/wilson.ts";

export interface DivergenceOptions {
  /** Tokens of a window. Default 256, or the model's context if that is less. */
  readonly windowTokens?: number;
  /** Windows, spread evenly over the text; all if it has no more. Default 32. */
  readonly windows?: number;
  /** Of the bootstrap. Default 0. */
  readonly seed?: number;
  /** Default: the CPU. */
  readonly device?: Device;
  readonly onWindow?: (done: number, windows: number) => void;
}

export interface Divergence extends Estimate {
  readonly windows: number;
  /** The mean of each window, by which models are compared in pairs. */
  readonly windowMeans: readonly number[];
  /** Positions at which the next-token distributions were compared. */
  readonly positions: number;
}

/**
 * The mean Kullback-Leibler divergence of the next token, KL(base ‖ tuned) = Σ p_base (ln p_base - ln p_tuned), over all
 * positions of windows of a text, in nats per token (Kullback and Leibler 1951). 0 means that the models predict alike; its
 * size says how much has changed, and not whether for the better. The 95 % interval is that of the percentile bootstrap
 * over windows, since neighbouring positions are not independent.
 *
 * @param tuned the base with an adapter, whose weights it shares, or another model of the same vocabulary
 * @throws InputError if the models do not divide the text into the same tokens, it has fewer than one window,
 *   or a window is longer than the model's context
 * @example
 * const base = await openModel("fixtures/embedded-model");
 * const tuned = await loadAdapter(base, "runs/faq/adapter");
 * const { value, low, high } = await measureDivergence(base, tuned, writeNeutralText());
 */
export async function measureDivergence(
  base: AdaptedModel,
  tuned: AdaptedModel,
  text: string,
  options: DivergenceOptions = {},
): Promise<Divergence> {
  const { seed = 0, device = openDevice("cpu"), onWindow } = options;
  const windows = cutWindows(base, encodeAlike(base, tuned, text), options);
  const reader = createPairedReader(device, base, tuned);
  try {
    const means: number[] = [];
    for (const ids of windows) {
      let sum = 0;
      await reader.read(ids, (ofBase, ofTuned) => {
        sum += klDivergence(ofBase, ofTuned);
      });
      means.push(sum / ids.length);
      onWindow?.(means.length, windows.length);
    }
    const meanOf = (drawn: Uint32Array) =>
      drawn.reduce((sum, window) => sum + means[window]!, 0) / drawn.length;
    return {
      value: meanOf(Uint32Array.from(means.keys())),
      ...pairedBootstrap(means.length, meanOf, { seed }),
      windows: windows.length,
      windowMeans: means,
      positions: windows.reduce((sum, { length }) => sum + length, 0),
    };
  } finally {
    await reader.release();
  }
}

/** The text's tokens, which must be the same for both models. */
function encodeAlike(base: AdaptedModel, tuned: AdaptedModel, text: string): number[] {
  const ids = base.tokenizer.encode(text);
  const others = tuned.tokenizer === base.tokenizer ? ids : tuned.tokenizer.encode(text);
  const isSame = ids.length === others.length && ids.every((id, i) => id === others[i]);
  if (isSame && base.config.vocabSize === tuned.config.vocabSize) return ids;
  throw new InputError(
    `${base.name} and ${tuned.name} do not divide the text into the same tokens, so their predictions cannot be compared; compare a model with what it was tuned from.`,
  );
}

/** Runs of tokens that follow each other, each begun as the model begins a text. */
function cutWindows(
  { config, tokenizer }: AdaptedModel,
  ids: readonly number[],
  { windowTokens = Math.min(256, config.maxPositionEmbeddings), windows: most = 32 }: DivergenceOptions,
): number[][] {
  const { maxPositionEmbeddings } = config;
  if (!(Number.isInteger(windowTokens) && windowTokens >= 2 && windowTokens <= maxPositionEmbeddings)) {
    throw new InputError(
      `A window of ${windowTokens} tokens cannot be read; give a whole number from 2 to the ${maxPositionEmbeddings} that the model was made for.`,
    );
  }
  const { add: beginning } = adjustBeginning([], tokenizer);
  const length = windowTokens - beginning.length;
  const available = Math.floor(ids.length / length);
  if (available === 0) {
    throw new InputError(
      `The text has ${ids.length} tokens, fewer than one window of ${length}; give a longer one.`,
    );
  }
  const count = Math.min(most, available);
  return Array.from({ length: count }, (_, i) => {
    const start = Math.floor((i * available) / count) * length;
    return [...beginning, ...ids.slice(start, start + length)];
  });
}
