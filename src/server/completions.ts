/** @file Answers of POST /v1/completions, after OpenAI's API reference ("Create completion", legacy). */

import type { GeneratedToken, Generation } from "../core/decoding/generator.ts";
import { type AnswerFormat, describeEnd } from "./answer.ts";
import { completionLogprobs, lengthOf } from "./logprobs.ts";
import type { PreparedRequest } from "./prepare-request.ts";

export function formatCompletion({ prompts, n, settings }: PreparedRequest): AnswerFormat {
  const echo = (index: number): string => prompts[Math.floor(index / n)]!.echo;
  /** Where the next token of each choice begins in its text. */
  const offsets: number[] = [];
  const describe = (index: number, tokens: readonly GeneratedToken[]): object | null => {
    if (settings.logprobs === undefined) return null;
    const start = offsets[index] ?? 0;
    offsets[index] = tokens.reduce((end, { text }) => end + lengthOf(text), start);
    return completionLogprobs(tokens, start);
  };
  const choice = (index: number, text: string, logprobs: object | null, generation?: Generation) => ({
    index,
    text,
    logprobs,
    ...describeEnd(generation),
  });
  return {
    idPrefix: "cmpl-",
    object: "text_completion",
    chunkObject: "text_completion",
    whole: (index, generation) =>
      choice(index, echo(index) + generation.text, describe(index, generation.tokens), generation),
    opening(index) {
      const text = echo(index);
      return text === "" ? undefined : choice(index, text, null);
    },
    piece: (index, { text, tokens }) => choice(index, text, describe(index, tokens)),
    ending: (index, generation) => choice(index, "", null, generation),
  };
}
