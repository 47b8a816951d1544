/** @file Demonstrations that share rare words with the query. */

import { wordsOf } from "../alignment/words.ts";
import type { DemonstrationSelector } from "../evaluation/demonstration-selector.ts";
import { takeHighest } from "./take-highest.ts";

/** How soon further occurrences of a word count for nothing, and how far long texts are held down. */
const k1 = 1.5;
const b = 0.75;

/**
 * The BM25 scores of texts (Robertson and Zaragoza 2009), for the words w of a query, each as often as it stands there:
 *
 *     Σ_w idf(w) f (k1 + 1) / (f + k1 (1 − b + b |text| / mean |text|)),   idf(w) = ln(1 + (N − n + 0.5) / (n + 0.5))
 *
 * with f the times that the word stands in the text, n the number of texts that have it, k1 = 1.5 and b = 0.75. The 1 in the
 * logarithm keeps it above 0 for words that most texts have, as in Lucene.
 *
 * @returns of a query, the score of each text, [texts]
 */
export function createBm25(texts: readonly string[]): (query: string) => Float64Array {
  const wordsOfTexts = texts.map(wordsOf);
  const meanLength = wordsOfTexts.reduce((sum, { length }) => sum + length, 0) / texts.length;
  const occurrences = new Map<string, Map<number, number>>();
  for (const [text, words] of wordsOfTexts.entries()) {
    for (const word of words) {
      const counts = occurrences.get(word) ?? new Map<number, number>();
      occurrences.set(word, counts.set(text, (counts.get(text) ?? 0) + 1));
    }
  }
  return (query) => {
    const scores = new Float64Array(texts.length);
    for (const word of wordsOf(query)) {
      const counts = occurrences.get(word) ?? new Map<number, number>();
      const idf = Math.log(1 + (texts.length - counts.size + 0.5) / (counts.size + 0.5));
      for (const [text, f] of counts) {
        const length = wordsOfTexts[text]!.length / meanLength;
        scores[text]! += (idf * f * (k1 + 1)) / (f + k1 * (1 - b + b * length));
      }
    }
    return scores;
  };
}

/** Chooses by the {@link createBm25} score of the questions. */
export const bm25Selector: DemonstrationSelector = {
  name: "bm25",
  async prepare(pool, queries) {
    const scoresOf = createBm25(pool.map(({ text }) => text));
    return (query, candidates, k) => takeHighest(candidates, scoresOf(queries[query]!.text), k);
  },
};
