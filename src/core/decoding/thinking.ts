/** @file Thoughts before an answer: the tokens that they stand between, and a limit on how many there are. */

import type { Tokenizer } from "../tokenization/tokenizer.ts";
import type { DecodingStrategy } from "./sample.ts";

/** The tokens that thoughts begin and end with. */
export interface ThinkTokens {
  readonly start: number;
  readonly end: number;
}

/** At most so many tokens are written between the two. */
export interface ThinkingBudget extends ThinkTokens {
  readonly tokens: number;
}

/** How families of models spell the two: Qwen 3, DeepSeek-R1, SmolLM3 and others; Mistral's; Seed-OSS's. */
export const thinkSpellings = [
  ["<think>", "</think>"],
  ["[THINK]", "[/THINK]"],
  ["<seed:think>", "</seed:think>"],
] as const;

/**
 * The tokens of a model's thoughts. Each is one token of the vocabulary; a model that would have to spell them has none.
 *
 * @returns undefined if the model has no such tokens
 *
 * @example
 * const { openModel } = await import("slimtune");
 * const { tokenizer } = await openModel("Qwen/Qwen3-0.6B");
 * const { end } = findThinkTokens(tokenizer)!; // 151668
 */
export function findThinkTokens(tokenizer: Pick<Tokenizer, "idOf" | "encode">): ThinkTokens | undefined {
  const idOf = (text: string) => {
    const [id, ...more] = tokenizer.encode(text);
    return more.length === 0 && id === tokenizer.idOf(text) ? id : undefined;
  };
  for (const [startText, endText] of thinkSpellings) {
    const [start, end] = [idOf(startText), idOf(endText)];
    if (start !== undefined && end !== undefined) return { start, end };
  }
  return undefined;
}

/** Whether the last thoughts that begin in these tokens do not end in them. */
export function isThinking(ids: readonly number[], { start, end }: ThinkTokens): boolean {
  return ids.lastIndexOf(start) > ids.lastIndexOf(end);
}

/**
 * A strategy that ends the thoughts of an answer with their token once so many tokens of them are written, however they were
 * begun: by the prompt's template or by the model itself. Thoughts that a prompt holds already do not count.
 *
 * @example
 * const { openModel } = await import("slimtune");
 * const { tokenizer } = await openModel("Qwen/Qwen3-0.6B");
 * const strategy = limitThinking({ ...findThinkTokens(tokenizer)!, tokens: 256 }, greedy);
 */
export function limitThinking(budget: ThinkingBudget, strategy: DecodingStrategy): DecodingStrategy {
  return (state, logits) => {
    const { promptIds, ids } = state;
    const begun = ids.lastIndexOf(budget.start);
    const isOpen =
      begun >= 0 ? isThinking(ids, budget) : isThinking(promptIds, budget) && !ids.includes(budget.end);
    return isOpen && ids.length - (begun + 1) >= budget.tokens ? budget.end : strategy(state, logits);
  };
}
