/** @file The representation score: whether the base model represents two sets of texts alike. */

import { noAdapter } from "../core/adapters/adapted-model.ts";
import { createDecoder } from "../core/engine/decoder.ts";
import type { Model } from "../core/models/model.ts";
import type { Device } from "../core/runtime/device.ts";
import { readHiddenStates } from "./hidden-states.ts";

/** Tokens of a text that are looked at, from its first. */
const textTokens = 128;

export interface Representation {
  /** One vector [hiddenSize] a text, in the order of the texts. */
  embed(texts: readonly string[], onText?: (done: number) => void): Promise<Float32Array[]>;
  release(): Promise<void>;
}

/**
 * Represents texts by the hidden states behind the lower half of a model's blocks, averaged over a text's first 128
 * tokens. The middle of a model says more about a text than its end, which is about the next token (Skean et al. 2025,
 * "Layer by Layer"). Each token's state is first brought to length 1, since those of a few tokens, such as the first, are
 * a thousand times as long as the others (Sun et al. 2024, "Massive Activations").
 */
export function createRepresentation(device: Device, { config, tokenizer, weights }: Model): Representation {
  const lowerHalf = { ...config, numHiddenLayers: Math.ceil(config.numHiddenLayers / 2) };
  const decoder = createDecoder(device, { config: lowerHalf, weights }, noAdapter);
  return {
    async embed(texts, onText) {
      const tokens = texts.map((text) =>
        tokenizer.encode(text, { addSpecialTokens: true }).slice(0, textTokens),
      );
      const vectors = new Array<Float32Array>(texts.length);
      const visit = (index: number, states: Float32Array) => {
        vectors[index] = meanDirection(states, config.hiddenSize);
      };
      await readHiddenStates(decoder, lowerHalf, tokens, visit, onText);
      return vectors;
    },
    release: () => decoder.release(),
  };
}

/** The mean of rows [rows, width], each brought to length 1. */
function meanDirection(rows: Float32Array, width: number): Float32Array {
  const mean = new Float32Array(width);
  const count = rows.length / width;
  for (let row = 0; row < count; row++) {
    const values = rows.subarray(row * width, (row + 1) * width);
    const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    for (let i = 0; i < width; i++) mean[i]! += values[i]! / length / count;
  }
  return mean;
}

/**
 * How alike two sets of vectors are distributed: 1 less the energy coefficient of inhomogeneity (Székely and Rizzo 2013,
 * "Energy statistics", section 3), so (E‖x - x'‖ + E‖y - y'‖) / 2 E‖x - y‖, with means over pairs of different vectors. It
 * needs no centre or scale, with which cosines of hidden states, which all point the same way, would have to be corrected.
 *
 * It says that texts look alike to the model, which they do by topic and by form, and not whether learning one helps the
 * other. A broad set is unlike a narrow one, even if it holds it.
 *
 * @returns about 1 for two samples of the same kind (somewhat more by chance), towards 0 the farther they are apart; null
 *   where a set has fewer than 2 vectors, or all are equal
 */
export function energySimilarity(a: readonly Float32Array[], b: readonly Float32Array[]): number | null {
  if (a.length < 2 || b.length < 2) return null;
  const between = meanDistance(a, b);
  return between === 0 ? null : (meanDistance(a, a) + meanDistance(b, b)) / (2 * between);
}

/** The mean Euclidean distance of different vectors, one of each set. */
function meanDistance(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  let sum = 0;
  let pairs = 0;
  for (const x of a) {
    for (const y of b) {
      if (x === y) continue;
      let square = 0;
      for (let i = 0; i < x.length; i++) square += (x[i]! - y[i]!) ** 2;
      sum += Math.sqrt(square);
      pairs++;
    }
  }
  return sum / pairs;
}
