/** @file How much each word of a text surprises a model. */

import { type AdaptedModel, noAdapter } from "../core/adapters/adapted-model.ts";
import { createTextStream } from "../core/decoding/text-stream.ts";
import { createDecoder, extendText } from "../core/engine/decoder.ts";
import { createKeyValues } from "../core/engine/key-values.ts";
import type { DeviceChoice } from "../node/decoding/generate.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import type { ScoredWord, WordScorer } from "./rules/tokenskip.ts";

export interface ModelWordScorer {
  readonly score: WordScorer;
  release(): Promise<void>;
}

/**
 * Scores the words of texts by the surprisal of their tokens under a model, which reads each text by itself. A token that reaches over
 * several words is the last one's.
 *
 * @example
 * const { openModel } = await import("slimtune");
 * const scorer = createWordScorer(await openModel("fixtures/embedded-model"));
 * for (const { text, surprisal } of await scorer.score("3 * 5 = 15")) console.log(text, surprisal);
 * await scorer.release();
 */
export function createWordScorer(
  model: AdaptedModel,
  { device = openDevice("cpu") }: DeviceChoice = {},
): ModelWordScorer {
  const { config, tokenizer } = model;
  const decoder = createDecoder(device, model, model.adapter ?? noAdapter);
  const nothing = createKeyValues(config, 1, 0);
  const beginning = tokenizer.bosTokenId ?? tokenizer.eosTokenId;

  /** −ln p of each token after those before it. */
  const surprisals = async (ids: readonly number[]): Promise<number[]> => {
    const all = beginning === undefined ? ids : [beginning, ...ids];
    if (all.length < 2) return ids.map(() => 0);
    const { hidden } = await extendText(decoder, all.slice(0, -1), nothing);
    const positions = Int32Array.from({ length: all.length - 1 }, (_, i) => i);
    const { logProbabilities } = await decoder.score(hidden, positions, Int32Array.from(all.slice(1)));
    const values = Array.from(logProbabilities, (value) => -value);
    return beginning === undefined ? [0, ...values] : values;
  };

  return {
    async score(text) {
      const ids = tokenizer.encode(text);
      const values = await surprisals(ids);
      const stream = createTextStream(tokenizer, []);
      const words = [...text.matchAll(/\s*\S+|\s+$/g)].map(({ 0: text, index }) => ({
        text,
        end: index + text.length,
        tokens: 0,
        surprisal: 0,
      }));
      let current = 0;
      for (const [i, id] of ids.entries()) {
        stream.push(id);
        while (current < words.length - 1 && stream.released > words[current]!.end) current++;
        words[current]!.tokens++;
        words[current]!.surprisal += values[i]!;
      }
      return words.map(({ text, tokens, surprisal }): ScoredWord => ({ text, tokens, surprisal }));
    },
    release: () => decoder.release(),
  };
}
