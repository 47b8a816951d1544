/** @file From a request's body to what the engine needs: checked, rendered by the chat template, and encoded. */

import type { z } from "zod";
import type { GenerationRequest } from "../core/decoding/generator.ts";
import { encodeText, renderChat } from "../core/decoding/prompt.ts";
import { withChatSettings } from "../core/tokenization/chat-template.ts";
import { ApiError } from "./api-error.ts";
import { nameField, parseRequestJson } from "./request-json.ts";
import { chatBody, completionBody, type Prompt } from "./request-schemas.ts";
import { checkPrompt, readSettings, type ServedModel, type Settings, tooLong } from "./served-model.ts";

/** Which of OpenAI's two forms a body has. */
export type Endpoint = "chat" | "completion";

/** All that the answer to a request needs. It can be sent between threads. */
export interface PreparedRequest {
  /** The id under which the model was asked for. */
  readonly model: string;
  readonly prompts: readonly PreparedPrompt[];
  /** Choices for each prompt. */
  readonly n: number;
  readonly settings: Settings;
  readonly stream: boolean;
  /** Whether a stream ends with the number of tokens. */
  readonly includeUsage: boolean;
}

export interface PreparedPrompt {
  readonly ids: readonly number[];
  /** What stands before the text of an answer. */
  readonly echo: string;
}

/**
 * Does all the work on a request whose duration depends on what the client sent.
 *
 * @throws ApiError or InputError if the request cannot be answered.
 */
export function prepareRequest(served: ServedModel, endpoint: Endpoint, body: Uint8Array): PreparedRequest {
  const value = parseRequestJson(body);
  return endpoint === "chat" ? prepareChat(served, value) : prepareCompletion(served, value);
}

function prepareChat(served: ServedModel, value: unknown): PreparedRequest {
  const body = check(chatBody, value);
  const { model, n, stream, stream_options, messages, chat_template_kwargs } = body;
  const maxNewTokens = body.max_completion_tokens ?? body.max_tokens ?? served.contextLength;
  const settings = readSettings(served, body, maxNewTokens);
  checkCount(served, n);
  const tokenizer = withChatSettings(served.tokenizer, { chatTemplate: served.templates?.[model] });
  const begun = body.continue_final_message ? messages.at(-1)! : undefined;
  const before = begun ? messages.slice(0, -1) : messages;
  const text = renderChat(tokenizer, before, chat_template_kwargs) + (begun?.content ?? "");
  return {
    model,
    prompts: [{ ids: encodePrompt(served, text, "messages", begun !== undefined), echo: "" }],
    n,
    settings: body.logprobs ? { ...settings, logprobs: body.top_logprobs ?? 0 } : settings,
    stream,
    includeUsage: stream_options?.include_usage ?? false,
  };
}

function prepareCompletion(served: ServedModel, value: unknown): PreparedRequest {
  const body = check(completionBody, value);
  const { model, n, stream, stream_options, prompt: prompts, echo, logprobs } = body;
  const settings = readSettings(served, body, body.max_tokens);
  checkCount(served, prompts.length * n);
  const textOf = (prompt: Prompt): string =>
    typeof prompt === "string" ? prompt : served.tokenizer.decode(prompt, { skipSpecialTokens: true });
  return {
    model,
    prompts: prompts.map((prompt) => {
      const ids = encodePrompt(served, prompt, "prompt");
      return { ids, echo: echo ? textOf(prompt) : "" };
    }),
    n,
    settings: logprobs === undefined ? settings : { ...settings, logprobs },
    stream,
    includeUsage: stream_options?.include_usage ?? false,
  };
}

/** The engine's requests, one for each choice; the draws of a prompt's choices differ by the seed. */
export function toGenerationRequests({ prompts, n, settings }: PreparedRequest): GenerationRequest[] {
  const seed = settings.seed ?? 0;
  return prompts.flatMap(({ ids: promptIds }) =>
    Array.from({ length: n }, (_, i) => ({ ...settings, promptIds, seed: seed + i })),
  );
}

function check<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  if (issue.code === "unrecognized_keys") {
    const param = nameField([...issue.path, issue.keys[0]!]);
    throw new ApiError(400, `${param}: this server does not know this field; leave it out.`, { param });
  }
  const param = nameField(issue.path);
  throw new ApiError(400, `${param || "The body"}: ${issue.message}`, param === "" ? {} : { param });
}

/** Before anything is encoded: the texts of one request may be more than the server ever writes at once. */
function checkCount({ maxTexts }: ServedModel, texts: number): void {
  if (texts > maxTexts) {
    throw new ApiError(
      400,
      `The request asks for ${texts} texts, but at most ${maxTexts} are written at once.`,
    );
  }
}

/** Characters of a long text that are encoded first, for each token of the context: more than tokens usually have. */
const firstCharacters = 16;

/**
 * A prompt's token ids. A text that cannot fit into the context is not encoded to its end.
 *
 * @throws ApiError as {@link checkPrompt} does.
 */
function encodePrompt(
  served: ServedModel,
  prompt: Prompt,
  param: string,
  isUnfinished = false,
): readonly number[] {
  const { tokenizer, contextLength, longestToken } = served;
  if (typeof prompt === "string") {
    if (prompt.length > contextLength * longestToken) throw tooLong(contextLength, param);
    const beginning = prompt.slice(0, contextLength * firstCharacters);
    // The last tokens of a beginning may become fewer with what follows, but not by half.
    if (beginning.length < prompt.length && encodeText(tokenizer, beginning).length > 2 * contextLength) {
      throw tooLong(contextLength, param);
    }
  }
  const ids = typeof prompt === "string" ? encodeText(tokenizer, prompt, { isUnfinished }) : prompt;
  checkPrompt(served, ids, param);
  return ids;
}
