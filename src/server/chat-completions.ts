/** @file Answers of POST /v1/chat/completions, after OpenAI's API reference ("Create chat completion"). */

import type { GeneratedToken } from "../core/decoding/generator.ts";
import type { AnswerFormat } from "./answer.ts";
import { chatLogprobs } from "./logprobs.ts";
import type { PreparedRequest } from "./prepare-request.ts";

export function formatChat({ settings }: PreparedRequest): AnswerFormat {
  const describe = (tokens: readonly GeneratedToken[]): object | null =>
    settings.logprobs === undefined ? null : chatLogprobs(tokens);
  const delta = (index: number, delta: object, logprobs: object | null = null) => ({
    index,
    delta,
    logprobs,
    finish_reason: null,
  });
  return {
    idPrefix: "chatcmpl-",
    object: "chat.completion",
    chunkObject: "chat.completion.chunk",
    whole: (index, { text, finishReason, tokens }) => ({
      index,
      message: { role: "assistant", content: text, refusal: null },
      logprobs: describe(tokens),
      finish_reason: finishReason,
    }),
    opening: (index) => delta(index, { role: "assistant", content: "" }),
    piece: (index, { text, tokens }) => delta(index, { content: text }, describe(tokens)),
    ending: (index, finishReason) => ({ ...delta(index, {}), finish_reason: finishReason }),
  };
}
