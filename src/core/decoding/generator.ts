/** @file What a generator of text takes and gives. */

import type { SamplingOptions } from "./sample.ts";
import type { ThinkingBudget } from "./thinking.ts";

export interface GenerationRequest extends SamplingOptions {
  readonly promptIds: readonly number[];
  /** The name of a loaded adapter. Default: the base model as it is. */
  readonly adapter?: string;
  readonly maxNewTokens: number;
  /** The text ends before the first of these strings. Default: only the end-of-sequence token ends it. */
  readonly stop?: readonly string[];
  /** The text ends with any of these tokens as it does with the end-of-sequence token. Default: none. */
  readonly stopIds?: readonly number[];
  /** A limit on the model's thoughts, which are ended with their own token when it is reached. Default: none. */
  readonly thinking?: ThinkingBudget;
  /** Seed of the draws. Default 0. */
  readonly seed?: number;
  /** With each token, its log-probability and those of this many likeliest tokens. Default: none. */
  readonly logprobs?: number;
}

export interface TokenLogprob {
  readonly id: number;
  /** The token's text by itself. */
  readonly text: string;
  /** ln p(token | what stands before) under the unmodified softmax. */
  readonly logprob: number;
}

export interface GeneratedToken extends TokenLogprob {
  /** The likeliest tokens at this place, most likely first. */
  readonly top: readonly TokenLogprob[];
}

/** A piece of text that will not change any more: no stop string can begin in it. */
export interface Piece {
  readonly text: string;
  /** The tokens that became known with it, if log-probabilities were asked for. */
  readonly tokens: readonly GeneratedToken[];
}

export interface Generation {
  /** The whole text, without the stop string. */
  readonly text: string;
  /** "stop": the end-of-sequence token, a stop string or a stop token; "length": no room for more tokens. */
  readonly finishReason: "stop" | "length";
  /** The stop string that ended the text; null where a token did that is none, or its length. */
  readonly stopString: string | null;
  /** Tokens written, the end-of-sequence token included. */
  readonly completionTokens: number;
  /** These tokens. */
  readonly ids: readonly number[];
  /** Tokens of the prompt that were computed; those that another text began with were known. */
  readonly computedPromptTokens: number;
  readonly tokens: readonly GeneratedToken[];
}

/** Writes many texts at the same time. */
export interface Generator {
  /**
   * Queues a request; requests under way are computed together.
   *
   * @throws InputError if the prompt leaves no room in the model's context, the adapter is unknown, or an option is
   * out of its range; the signal's reason if it is aborted, after which nothing more is computed for the request.
   */
  generate(
    request: GenerationRequest,
    events?: { readonly signal?: AbortSignal; readonly onPiece?: (piece: Piece) => void },
  ): Promise<Generation>;
  /** Ends all work and frees the engine. */
  close(): Promise<void>;
}
