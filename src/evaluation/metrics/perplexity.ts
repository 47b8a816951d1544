/** @file Perplexities: how surprised a model is by texts. */

import { countWords } from "../../core/python/text.ts";
import { type Aggregation, bitsPerByte, perplexity, weightedPerplexity } from "./aggregations.ts";
import type { Metric } from "./metric.ts";

export const wordPerplexity: Metric = perplexityBy(weightedPerplexity, countWords);
export const bytePerplexity: Metric = perplexityBy(weightedPerplexity, Buffer.byteLength);
export const bitsPerByteOfText: Metric = perplexityBy(bitsPerByte, Buffer.byteLength);

/** Of the right answers after their prompts, each counted by its bytes with the white space that sets it apart. */
export const bitsPerByteOfGold: Metric = {
  aggregation: bitsPerByte,
  higherIsBetter: false,
  score: {},
  scoreGold: ({ continuation, logLikelihood }) => [logLikelihood, Buffer.byteLength(continuation)],
};

/** Each text counts by its words or bytes. */
function perplexityBy(aggregation: Aggregation, measure: (text: string) => number): Metric {
  return {
    aggregation,
    higherIsBetter: false,
    score: { loglikelihood_rolling: ({ logLikelihood, original }) => [logLikelihood, measure(original)] },
  };
}

/** Each text counts alike; in results of the harness only. */
export const perplexityOfTexts: Metric = { aggregation: perplexity, higherIsBetter: false, score: {} };
