/** @file How far tuning has moved a model's predictions on text that it was not tuned on. */

import { type AdaptedModel, noAdapter } from "../adapters/adapted-model.ts";
import { createDecoder, type Decoder, extendText } from "../engine/decoder.ts";
import { createKeyValues } from "../engine/key-values.ts";
import { InputError } from "../errors.ts";
import { pairedBootstrap } from "../evaluation/statistics/paired-bootstrap.ts";
import type { Estimate } from "../evaluation/statistics/wilson.ts";
import { logNormalizer } from "../generation/sample.ts";
import type { Device } from "../runtime/device.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import type { Tokenizer } from "../tokenization/tokenizer.ts";

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
  /** Positions at which the next-token distributions were compared. */
  readonly positions: number;
}

/** Logits of each model that are alive at a time. */
const chunkLogits = 2 ** 23;

/**
 * The mean Kullback-Leibler divergence of the next token, KL(base ‖ tuned) = Σ p_base (ln p_base - ln p_tuned), over all
 * positions of windows of a text, in nats per token (Kullback and Leibler 1951). 0 means that the models predict alike; its
 * size says how much has changed, and not whether for the better. The 95 % interval is that of the percentile bootstrap
 * over windows, since neighbouring positions are not independent.
 *
 * @param tuned the base with an adapter, whose weights it shares, or another model of the same vocabulary
 * @throws InputError if the models do not divide the text into the same tokens, it has fewer than one window,
 *   or a window is longer than the model's context
 */
export async function measureDivergence(
  base: AdaptedModel,
  tuned: AdaptedModel,
  text: string,
  options: DivergenceOptions = {},
): Promise<Divergence> {
  const { seed = 0, device = openDevice("cpu"), onWindow } = options;
  const windows = cutWindows(base, encodeAlike(base, tuned, text), options);
  const readers = [base, tuned].map((model) => createReader(device, model));
  try {
    const means: number[] = [];
    for (const ids of windows) {
      means.push(await meanDivergence(readers, ids, base.config.vocabSize));
      onWindow?.(means.length, windows.length);
    }
    const meanOf = (drawn: Uint32Array) =>
      drawn.reduce((sum, window) => sum + means[window]!, 0) / drawn.length;
    return {
      value: meanOf(Uint32Array.from(means.keys())),
      ...pairedBootstrap(means.length, meanOf, { seed }),
      windows: windows.length,
      positions: windows.reduce((sum, { length }) => sum + length, 0),
    };
  } finally {
    for (const { decoder } of readers) await decoder.release();
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
  const beginning = beginningOf(tokenizer);
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

function beginningOf({ addsBosToken, bosTokenId }: Tokenizer): number[] {
  return addsBosToken && bosTokenId !== undefined ? [bosTokenId] : [];
}

/** A model that reads one text at a time. */
interface Reader {
  readonly decoder: Decoder;
  /** Reads a text, and gives the logits after any of its tokens, float32 [positions, vocabSize]. */
  read(ids: readonly number[]): Promise<(positions: Int32Array) => Promise<Float32Array>>;
}

function createReader(device: Device, model: AdaptedModel): Reader {
  const decoder = createDecoder(device, model, model.adapter ?? noAdapter);
  const nothing = createKeyValues(model.config, 1, 0);
  return {
    decoder,
    async read(ids) {
      const { hidden } = await extendText(decoder, ids, nothing);
      return (positions) => decoder.logits(hidden, positions);
    },
  };
}

/** The mean over one window's positions, a few at a time, so that their logits never exist as a whole. */
async function meanDivergence(
  [base, tuned]: readonly Reader[],
  ids: readonly number[],
  vocabSize: number,
): Promise<number> {
  const [logitsOfBase, logitsOfTuned] = [await base!.read(ids), await tuned!.read(ids)];
  const step = Math.max(1, Math.floor(chunkLogits / vocabSize));
  let sum = 0;
  for (let start = 0; start < ids.length; start += step) {
    const positions = Int32Array.from(ids.slice(start, start + step).keys(), (i) => start + i);
    const [ofBase, ofTuned] = [await logitsOfBase(positions), await logitsOfTuned(positions)];
    for (let row = 0; row < positions.length; row++) {
      const [from, to] = [row * vocabSize, (row + 1) * vocabSize];
      sum += klDivergence(ofBase.subarray(from, to), ofTuned.subarray(from, to));
    }
  }
  return sum / ids.length;
}

/** KL(p ‖ q) in nats, of the distributions whose logits are given. */
function klDivergence(p: Float32Array, q: Float32Array): number {
  const [normalizerP, normalizerQ] = [logNormalizer(p), logNormalizer(q)];
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    const logP = p[i]! - normalizerP;
    sum += Math.exp(logP) * (logP - (q[i]! - normalizerQ));
  }
  return sum;
}
