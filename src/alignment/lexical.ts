/** @file The lexical score: whether two sets of texts use the same words. */

import { addDirection, createDirections, meanCosine } from "./mean-cosine.ts";
import { wordsOf } from "./words.ts";

/**
 * The cosine of the mean TF-IDF vectors of two sets of texts, over single words and pairs of neighbours (Salton and
 * Buckley 1988). A text's count of a term is weighted by ln((1 + n) / (1 + n_t)) + 1, where n_t of all n texts of both
 * sets have the term, and its vector has length 1. See {@link meanCosine} for how sets of different sizes are made
 * comparable.
 *
 * It knows nothing of meaning: the same task in other words scores low, and other tasks in the same words score high.
 *
 * @returns 0 without a common term, about 1 for two samples of the same kind; null where the texts of a set have no term
 *   in common
 */
export function lexicalSimilarity(a: readonly string[], b: readonly string[]): number | null {
  const counts = [a, b].map((texts) => texts.map(countTerms));
  const texts = counts.flat();
  const textsWith = new Map<string, number>();
  for (const terms of texts)
    for (const term of terms.keys()) textsWith.set(term, (textsWith.get(term) ?? 0) + 1);
  const placeOf = new Map([...textsWith.keys()].map((term, place) => [term, place]));
  const weigh = (terms: ReadonlyMap<string, number>) => {
    const vector = new Float32Array(placeOf.size);
    for (const [term, count] of terms) {
      const rarity = Math.log((1 + texts.length) / (1 + textsWith.get(term)!)) + 1;
      vector[placeOf.get(term)!] = count * rarity;
    }
    return vector;
  };
  const [directionsA, directionsB] = counts.map((set) => {
    const directions = createDirections(placeOf.size);
    for (const terms of set) addDirection(directions, weigh(terms));
    return directions;
  });
  return meanCosine(directionsA!, directionsB!);
}

function countTerms(text: string): Map<string, number> {
  const words = wordsOf(text);
  const counts = new Map<string, number>();
  const add = (term: string) => counts.set(term, (counts.get(term) ?? 0) + 1);
  for (const [i, word] of words.entries()) {
    add(word);
    if (i > 0) add(`${words[i - 1]} ${word}`);
  }
  return counts;
}
