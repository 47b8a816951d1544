/** @file The demonstrations that make the right answer likeliest: what no selector can know, and a bound for those that try. */

import { InputError } from "../core/errors.ts";
import type { Demonstration, DemonstrationSelector } from "../evaluation/demonstration-selector.ts";
import type { LanguageModel, LoglikelihoodRequest } from "../evaluation/language-model.ts";
import { createBm25 } from "./bm25.ts";
import { takeHighest } from "./take-highest.ts";

/** Candidates of a query that are scored, those of the highest BM25 score, as EPR takes them. */
const scored = 50;

/**
 * Chooses by log p(answer | demonstration, query), each demonstration by itself, among the 50 with the highest BM25 score: the scores
 * that EPR's retriever learns from (Rubin et al. 2022, "Learning To Retrieve Prompts", section 3). It costs 50 texts a query.
 */
export function likelihoodSelector(model: LanguageModel): DemonstrationSelector {
  return {
    name: "likelihood",
    isOracle: true,
    async prepare(pool, queries, onText) {
      const scoresOf = createBm25(pool.map(({ text }) => text));
      const candidates = queries.map((query) => {
        const places = [...pool.keys()].filter((place) => pool[place]!.text !== query.text);
        return takeHighest(places, scoresOf(query.text), scored);
      });
      const requests = queries.flatMap((query, i) =>
        candidates[i]!.map((place) => toRequest(pool[place]!, query)),
      );
      const tooFew = requests.find((request) => model.canScore?.(request) === false);
      if (tooFew) {
        throw new InputError(
          "likelihood needs a model that says how likely answers are, and that has room for a demonstration and a question, which this one does not; choose by a model on this machine, or leave it out.",
        );
      }
      let done = 0;
      const results = await model.loglikelihood(requests, () => onText?.(++done, requests.length));
      let next = 0;
      const likelihoods = candidates.map((places) => {
        const ofQuery = new Float64Array(pool.length).fill(Number.NEGATIVE_INFINITY);
        for (const place of places) ofQuery[place] = results[next++]!.logLikelihood;
        return ofQuery;
      });
      return (query, allowed, k) => takeHighest(allowed, likelihoods[query]!, k);
    },
  };
}

function toRequest({ text, solution = "" }: Demonstration, query: Demonstration): LoglikelihoodRequest {
  if (query.solution === undefined || query.solution === "") {
    throw new InputError(
      `The question ${JSON.stringify(query.text.slice(0, 60))} has no answer whose likelihood could be known; give it one, or choose by something else than likelihood.`,
    );
  }
  return {
    context: `Q: ${text}\nA: ${solution}\n\nQ: ${query.text}\nA:`,
    continuation: ` ${query.solution}`,
  };
}
