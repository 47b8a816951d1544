/** @file POST /v1/chat/completions, after OpenAI's API reference ("Create chat completion"). */

import type { Context } from "hono";
import type { GeneratedToken } from "../generation/generator.ts";
import { encodeChat } from "../generation/prompt.ts";
import { type AnswerContext, type AnswerFormat, answer } from "./answer.ts";
import { chatLogprobs } from "./logprobs.ts";
import { chatBody, readBody } from "./request-bodies.ts";
import { checkPrompt, readSettings, repeat, type ServedModel } from "./served-model.ts";

/** @throws ApiError or InputError if the request cannot be answered. */
export async function createChatCompletion(
  c: Context,
  served: ServedModel,
  context: AnswerContext,
): Promise<Response> {
  const body = await readBody(c, chatBody);
  const maxNewTokens = body.max_completion_tokens ?? body.max_tokens ?? served.contextLength;
  const settings = readSettings(served, body, maxNewTokens);
  const promptIds = encodeChat(served.tokenizer, body.messages, body.chat_template_kwargs);
  checkPrompt(served, promptIds, "messages");
  const logprobs = body.logprobs ? { logprobs: body.top_logprobs ?? 0 } : {};
  return answer(
    c,
    {
      model: body.model,
      requests: repeat({ ...settings, ...logprobs, promptIds }, body.n),
      promptTokens: promptIds.length,
      stream: body.stream,
      includeUsage: body.stream_options?.include_usage ?? false,
      format: body.logprobs ? formatWithLogprobs : format,
    },
    context,
  );
}

const format = chatFormat(() => null);
const formatWithLogprobs = chatFormat(chatLogprobs);

function chatFormat(describe: (tokens: readonly GeneratedToken[]) => object | null): AnswerFormat {
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
