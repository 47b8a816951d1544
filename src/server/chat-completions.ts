/** @file Answers of POST /v1/chat/completions, after OpenAI's API reference ("Create chat completion"). */

import type { GeneratedToken } from "../core/decoding/generator.ts";
import { type AnswerFormat, describeEnd } from "./answer.ts";
import { chatLogprobs } from "./logprobs.ts";
import type { PreparedRequest } from "./prepare-request.ts";

export function formatChat({ settings }: PreparedRequest): AnswerFormat {
  const describe = (tokens: readonly GeneratedToken[]): object | null =>
    settings.logprobs === undefined ? null : chatLogprobs(tokens);
  const delta = (index: number, delta: object, logprobs: object | null = null) => ({
    index,
    delta,
    logprobs,
    ...describeEnd(),
  });
  return {
    idPrefix: "chatcmpl-",
    object: "chat.completion",
    chunkObject: "chat.completion.chunk",
    whole: (index, generation) => ({
      index,
      message: { role: "assistant", content: generation.text, refusal: null },
      logprobs: describe(generation.tokens),
      ...describeEnd(generation),
    }),
    opening: (index) => delta(index, { role: "assistant", content: "" }),
    piece: (index, { text, tokens }) => delta(index, { content: text }, describe(tokens)),
    ending: (index, generation) => ({ ...delta(index, {}), ...describeEnd(generation) }),
  };
}
