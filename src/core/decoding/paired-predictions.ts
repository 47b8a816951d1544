/** @file What two models predict next, position by position of a text. */

import { type AdaptedModel, noAdapter } from "../adapters/adapted-model.ts";
import { createDecoder, extendText } from "../engine/decoder.ts";
import { createKeyValues } from "../engine/key-values.ts";
import type { Device } from "../runtime/device.ts";
import { logSumExp } from "./sample.ts";

/** Two models of one vocabulary that read the same texts. */
export interface PairedReader {
  /** Gives both models' logits after each token of a text, [vocabSize] each; they are valid until it returns. */
  read(
    ids: readonly number[],
    onPosition: (ofFirst: Float32Array, ofSecond: Float32Array) => void,
  ): Promise<void>;
  release(): Promise<void>;
}

/** Logits of each model that are alive at a time. */
const chunkLogits = 2 ** 23;

export function createPairedReader(device: Device, first: AdaptedModel, second: AdaptedModel): PairedReader {
  const { vocabSize } = first.config;
  const step = Math.max(1, Math.floor(chunkLogits / vocabSize));
  const readers = [first, second].map((model) => ({
    decoder: createDecoder(device, model, model.adapter ?? noAdapter),
    nothing: createKeyValues(model.config, 1, 0),
  }));
  return {
    async read(ids, onPosition) {
      const read = await mapInTurn(readers, async ({ decoder, nothing }) => {
        const { hidden } = await extendText(decoder, ids, nothing);
        return (positions: Int32Array) => decoder.logits(hidden, positions);
      });
      for (let start = 0; start < ids.length; start += step) {
        const positions = Int32Array.from(ids.slice(start, start + step).keys(), (i) => start + i);
        const [ofFirst, ofSecond] = await mapInTurn(read, (logits) => logits(positions));
        for (let from = 0; from < positions.length * vocabSize; from += vocabSize) {
          const to = from + vocabSize;
          onPosition(ofFirst!.subarray(from, to), ofSecond!.subarray(from, to));
        }
      }
    },
    async release() {
      for (const { decoder } of readers) await decoder.release();
    },
  };
}

/** One after the other, so that no two models compute at a time. */
async function mapInTurn<T, R>(values: readonly T[], compute: (value: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const value of values) results.push(await compute(value));
  return results;
}

/** KL(p ‖ q) in nats, of the distributions whose logits are given. */
export function klDivergence(p: Float32Array, q: Float32Array): number {
  const [normalizerP, normalizerQ] = [logSumExp(p), logSumExp(q)];
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    const logP = p[i]! - normalizerP;
    sum += Math.exp(logP) * (logP - (q[i]! - normalizerQ));
  }
  return sum;
}
