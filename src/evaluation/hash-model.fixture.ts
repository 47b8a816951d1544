/** @file A language model whose answers are numbers from the request's SHA-256, as in reference/harness_results.py. */

import { createHash } from "node:crypto";
import type { LanguageModel } from "./language-model.ts";

/** A number between 0 and 1 of 32 bits. */
export function hashNumber(...parts: readonly string[]): number {
  return (
    Number.parseInt(createHash("sha256").update(parts.join("\0")).digest("hex").slice(0, 8), 16) / 2 ** 32
  );
}

/** @param onRequest is told the text of each request that is computed; what it throws ends the evaluation there. */
export function createHashModel(onRequest: (text: string) => void = () => {}): LanguageModel {
  const tokenCounts = { scored: 0, generated: 0 };
  /** Answers from the last request to the first, as a real model answers in an order of its own. */
  async function answer<Q, R>(
    requests: readonly Q[],
    compute: (request: Q) => R,
    onResult: ((index: number, result: R) => void) | undefined,
  ): Promise<R[]> {
    const results: R[] = [];
    for (let index = requests.length - 1; index >= 0; index--) {
      await Promise.resolve();
      results[index] = compute(requests[index]!);
      onResult?.(index, results[index]!);
    }
    return results;
  }
  return {
    maxLength: 1024,
    chatTemplate: undefined,
    tokenCounts,
    applyChatTemplate: (messages) => messages.map(({ role, content }) => `<${role}>${content}`).join(""),
    loglikelihood: (requests, onResult) =>
      answer(
        requests,
        ({ context, continuation }) => {
          onRequest(context + continuation);
          tokenCounts.scored++;
          const value = hashNumber(context, continuation);
          return { logLikelihood: -30 * value - 1e-5, isGreedy: value < 0.5 };
        },
        onResult,
      ),
    loglikelihoodRolling: (requests, onResult) =>
      answer(
        requests,
        ({ text }) => {
          onRequest(text);
          tokenCounts.scored++;
          return -100 * hashNumber(text);
        },
        onResult,
      ),
    generateUntil: (requests, onResult) =>
      answer(
        requests,
        ({ context }) => {
          onRequest(context);
          tokenCounts.generated++;
          const value = hashNumber(context);
          const sum = (context.match(/\d+/g) ?? []).map(Number).reduce((total, term) => total + term, 0);
          return { text: ` so ${value < 0.7 ? "#### " : ""}${value < 0.5 ? sum : 99}`, tokens: 1 };
        },
        onResult,
      ),
  };
}
