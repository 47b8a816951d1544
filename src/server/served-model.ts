/** @file The model that a server offers, as far as requests are checked and encoded before the engine gets them. */

import { randomInt } from "node:crypto";
import type { GenerationRequest } from "../core/decoding/generator.ts";
import { findThinkTokens, type ThinkTokens } from "../core/decoding/thinking.ts";
import type { Tokenizer } from "../core/tokenization/tokenizer.ts";
import { ApiError } from "./api-error.ts";
import type { CommonFields } from "./request-schemas.ts";

/** The ids under which models are asked for. */
export interface ModelNames {
  /** The id of the base model. */
  readonly id: string;
  /** Names of the loaded adapters, each offered as a model of its own. */
  readonly adapters: readonly string[];
}

export interface ServedModel extends ModelNames {
  readonly tokenizer: Tokenizer;
  /** The chat templates of adapters that have their own, by the adapters' names. */
  readonly templates?: Readonly<Record<string, string>>;
  /** The tokens that the model's thoughts stand between, if it has such. */
  readonly thinkTokens: ThinkTokens | undefined;
  /** Characters of the vocabulary's longest token. */
  readonly longestToken: number;
  /** The most tokens of prompt and answer together. */
  readonly contextLength: number;
  /** The most texts that a request may ask for. */
  readonly maxTexts: number;
}

export function createServedModel(options: Omit<ServedModel, "longestToken" | "thinkTokens">): ServedModel {
  const { tokenizer } = options;
  let longestToken = 0;
  for (let id = 0; id < tokenizer.vocabularySize; id++) {
    longestToken = Math.max(longestToken, tokenizer.tokenOf(id)?.length ?? 0);
  }
  return { ...options, thinkTokens: findThinkTokens(tokenizer), longestToken };
}

/** What requests of all endpoints say of how an answer is written. */
export type Settings = Omit<GenerationRequest, "promptIds">;

/**
 * A request's sampling options as the generator takes them.
 *
 * @throws ApiError 404 if there is no such model, 400 if it cannot be asked this.
 */
export function readSettings(served: ServedModel, body: CommonFields, maxNewTokens: number): Settings {
  const { model, temperature, top_p, top_k = 0, min_p, repetition_penalty, stop, seed } = body;
  const { id, adapters } = served;
  if (model !== id && !adapters.includes(model)) {
    const known = [id, ...adapters].join(", ");
    throw new ApiError(404, `There is no model ${JSON.stringify(model)} here; there is ${known}.`, {
      param: "model",
      code: "model_not_found",
    });
  }
  return {
    ...(model !== id && { adapter: model }),
    maxNewTokens,
    temperature,
    topP: top_p,
    ...(top_k > 0 && { topK: top_k }),
    ...(min_p !== undefined && { minP: min_p }),
    ...(repetition_penalty !== undefined && { repetitionPenalty: repetition_penalty }),
    stop,
    ...readThinking(served, body),
    // Callers who name no seed expect other draws each time.
    seed: seed ?? randomInt(2 ** 32),
  };
}

/** @throws ApiError 400 if there is a budget for thoughts, but the model has no tokens that they stand between. */
function readThinking(
  { thinkTokens }: ServedModel,
  { thinking_budget_tokens: tokens }: CommonFields,
): Pick<Settings, "thinking"> {
  if (tokens === undefined) return {};
  if (thinkTokens) return { thinking: { ...thinkTokens, tokens } };
  throw new ApiError(
    400,
    "thinking_budget_tokens: this model has no tokens that its thoughts stand between; leave it out.",
    { param: "thinking_budget_tokens" },
  );
}

/** @throws ApiError 400 if a prompt is empty, has unknown tokens, or leaves no room for an answer. */
export function checkPrompt(
  { tokenizer, contextLength }: ServedModel,
  ids: readonly number[],
  param: string,
): void {
  if (ids.length === 0) throw new ApiError(400, `${param}: it is empty.`, { param });
  if (ids.length >= contextLength) throw tooLong(contextLength, param, ids.length);
  const unknown = ids.find((id) => id >= tokenizer.vocabularySize);
  if (unknown !== undefined) {
    throw new ApiError(400, `${param}: the model has no token ${unknown}.`, { param });
  }
}

/** @param tokens of the prompt, if all were counted */
export function tooLong(contextLength: number, param: string, tokens?: number): ApiError {
  const has = tokens === undefined ? "more" : `${tokens} tokens`;
  return new ApiError(
    400,
    `This model's maximum context length is ${contextLength} tokens, of which at least one is for the answer, but the prompt has ${has}; shorten it.`,
    { param, code: "context_length_exceeded" },
  );
}
