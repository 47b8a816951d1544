/** @file POST /v1/completions, after OpenAI's API reference ("Create completion", legacy). */

import type { Context } from "hono";
import type { GeneratedToken } from "../generation/generator.ts";
import { encodeText } from "../generation/prompt.ts";
import { type AnswerContext, type AnswerFormat, answer } from "./answer.ts";
import { completionLogprobs, lengthOf } from "./logprobs.ts";
import { completionBody, readBody } from "./request-bodies.ts";
import { checkPrompt, readSettings, repeat, type ServedModel } from "./served-model.ts";

/** @throws ApiError or InputError if the request cannot be answered. */
export async function createCompletion(
  c: Context,
  served: ServedModel,
  context: AnswerContext,
): Promise<Response> {
  const body = await readBody(c, completionBody);
  const { tokenizer } = served;
  const settings = readSettings(served, body, body.max_tokens);
  const logprobs = body.logprobs === undefined ? {} : { logprobs: body.logprobs };
  const prompts = body.prompt.map((prompt) => {
    const promptIds = typeof prompt === "string" ? encodeText(tokenizer, prompt) : prompt;
    checkPrompt(served, promptIds, "prompt");
    return promptIds;
  });
  /** The prompt of a choice, as text. */
  const echo = (index: number): string => {
    const prompt = body.prompt[Math.floor(index / body.n)]!;
    return typeof prompt === "string" ? prompt : tokenizer.decode(prompt, { skipSpecialTokens: true });
  };
  return answer(
    c,
    {
      model: body.model,
      requests: prompts.flatMap((promptIds) => repeat({ ...settings, ...logprobs, promptIds }, body.n)),
      promptTokens: prompts.reduce((sum, ids) => sum + ids.length, 0),
      stream: body.stream,
      includeUsage: body.stream_options?.include_usage ?? false,
      format: completionFormat(body.echo ? echo : () => "", body.logprobs !== undefined),
    },
    context,
  );
}

/** @param echo what stands before the text of a choice */
function completionFormat(echo: (index: number) => string, withLogprobs: boolean): AnswerFormat {
  /** Where the next token of each choice begins in its text. */
  const offsets: number[] = [];
  const describe = (index: number, tokens: readonly GeneratedToken[]): object | null => {
    if (!withLogprobs) return null;
    const start = offsets[index] ?? 0;
    offsets[index] = tokens.reduce((end, { text }) => end + lengthOf(text), start);
    return completionLogprobs(tokens, start);
  };
  const choice = (index: number, text: string, logprobs: object | null, finishReason: string | null) => ({
    index,
    text,
    logprobs,
    finish_reason: finishReason,
  });
  return {
    idPrefix: "cmpl-",
    object: "text_completion",
    chunkObject: "text_completion",
    whole: (index, { text, tokens, finishReason }) =>
      choice(index, echo(index) + text, describe(index, tokens), finishReason),
    opening(index) {
      const text = echo(index);
      return text === "" ? undefined : choice(index, text, null, null);
    },
    piece: (index, { text, tokens }) => choice(index, text, describe(index, tokens), null),
    ending: (index, finishReason) => choice(index, "", null, finishReason),
  };
}
