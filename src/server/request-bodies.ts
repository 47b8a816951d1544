/** @file What requests may contain: OpenAI's fields, some that other local servers add, and a word on all others. */

import { isDeepStrictEqual } from "node:util";
import type { Context } from "hono";
import { z } from "zod";
import { ApiError } from "./api-error.ts";

/** A field that would change the answer in a way that is not supported: only values that ask for nothing pass. */
function unsupported(...neutral: readonly unknown[]) {
  return z
    .unknown()
    .refine((value) => neutral.some((one) => isDeepStrictEqual(one, value)), {
      error: "this server does not support it; leave it out.",
    })
    .optional();
}

/** A field that changes nothing about the answer. */
const withoutEffect = z.unknown().optional();

const stopString = z.string().min(1);

const commonFields = {
  model: z.string(),
  temperature: z.number().min(0).default(1),
  top_p: z.number().gt(0).max(1).default(1),
  n: z.int().min(1).max(128).default(1),
  seed: z.int().optional(),
  stop: z
    .union([stopString.transform((text) => [text]), z.array(stopString).max(16)], {
      error: "must be a string, or an array of up to 16 strings, none of them empty.",
    })
    .default([]),
  stream: z.boolean().default(false),
  stream_options: z
    .strictObject({
      include_usage: z.boolean().default(false),
      include_obfuscation: z.literal(false).optional(),
    })
    .optional(),

  // Extensions; 0 and -1 are what other servers call "all".
  top_k: z.int().min(-1).optional(),
  min_p: z.number().min(0).max(1).optional(),
  repetition_penalty: z.number().positive().optional(),

  user: withoutEffect,
  metadata: withoutEffect,
  service_tier: withoutEffect,
  safety_identifier: withoutEffect,
  prompt_cache_key: withoutEffect,
  prompt_cache_retention: withoutEffect,

  presence_penalty: unsupported(0),
  frequency_penalty: unsupported(0),
  logit_bias: unsupported({}),
};

const textPart = z.strictObject({ type: z.literal("text"), text: z.string() });

/** Parts of a message are joined by line breaks, as llama.cpp's and vLLM's servers do. */
const content = z.union(
  [z.string(), z.array(textPart).transform((parts) => parts.map(({ text }) => text).join("\n"))],
  { error: 'must be a string or an array of parts of the type "text"; others are not supported.' },
);

const message = z
  .strictObject({
    role: z.enum(["system", "developer", "user", "assistant"]),
    content,
    name: z.string().optional(),
    refusal: unsupported(null),
    audio: unsupported(null),
    annotations: withoutEffect,
    tool_calls: unsupported(null, []),
    function_call: unsupported(null),
  })
  // Templates know "developer" by its older name.
  .transform(({ role, content, name }) => ({
    role: role === "developer" ? "system" : role,
    content,
    ...(name !== undefined && { name }),
  }));

/** Body of POST /v1/chat/completions. */
export const chatBody = z
  .strictObject({
    ...commonFields,
    messages: z.array(message).min(1),
    max_tokens: z.int().min(1).optional(),
    max_completion_tokens: z.int().min(1).optional(),
    logprobs: z.boolean().default(false),
    top_logprobs: z.int().min(0).max(20).optional(),
    /** Variables of the chat template, such as `enable_thinking`; vLLM's name for them. */
    chat_template_kwargs: z.record(z.string(), z.unknown()).optional(),

    parallel_tool_calls: withoutEffect,
    store: unsupported(false),
    response_format: unsupported({ type: "text" }),
    modalities: unsupported(["text"]),
    tools: unsupported([]),
    tool_choice: unsupported("none", "auto"),
    functions: unsupported([]),
    function_call: unsupported("none", "auto"),
    audio: unsupported(),
    prediction: unsupported(),
    reasoning_effort: unsupported(),
    verbosity: unsupported(),
    web_search_options: unsupported(),
  })
  .refine(({ stream, stream_options }) => stream || !stream_options, {
    path: ["stream_options"],
    error: "is only allowed when stream is true.",
  })
  .refine(({ logprobs, top_logprobs }) => logprobs || top_logprobs === undefined, {
    path: ["top_logprobs"],
    error: "is only allowed when logprobs is true.",
  });

const tokenIds = z.array(z.int().min(0)).min(1);

/** Body of POST /v1/completions. */
export const completionBody = z
  .strictObject({
    ...commonFields,
    prompt: z
      .union(
        [
          z.string().transform((text) => [text]),
          z.array(z.string()).min(1),
          tokenIds.transform((ids) => [ids]),
          z.array(tokenIds).min(1),
        ],
        {
          error: "must be a string, an array of strings, an array of token ids, or an array of such arrays.",
        },
      )
      // Each prompt as text or token ids.
      .transform((prompts): readonly (string | readonly number[])[] => prompts),
    max_tokens: z.int().min(1).default(16),
    echo: z.boolean().default(false),
    logprobs: z.int().min(0).max(20).optional(),

    best_of: unsupported(1),
    suffix: unsupported(""),
  })
  .refine(({ stream, stream_options }) => stream || !stream_options, {
    path: ["stream_options"],
    error: "is only allowed when stream is true.",
  })
  .refine(({ echo, logprobs }) => !echo || logprobs === undefined, {
    path: ["logprobs"],
    error:
      "this server does not compute them for the tokens of an echoed prompt; leave out echo or logprobs.",
  });

export type CommonFields = Pick<z.output<typeof chatBody>, keyof typeof commonFields>;

/**
 * The request's body. Fields that are null count as left out, as in OpenAI's API.
 *
 * @throws ApiError 400 that names the field at fault; 413 if the body is too large.
 */
export async function readBody<T extends z.ZodType>(c: Context, schema: T): Promise<z.output<T>> {
  const text = await readText(c);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new ApiError(400, `The body of the request is not valid JSON: ${(error as Error).message}.`);
  }
  if (typeof body === "object" && body !== null && !Array.isArray(body)) {
    body = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
  }
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  if (issue.code === "unrecognized_keys") {
    const param = nameField([...issue.path, issue.keys[0]!]);
    throw new ApiError(400, `${param}: this server does not know this field; leave it out.`, { param });
  }
  const param = nameField(issue.path);
  throw new ApiError(400, `${param || "The body"}: ${issue.message}`, param === "" ? {} : { param });
}

/** Largest body in bytes: to tokenize more would keep others waiting for seconds. */
const maximumBody = 2 * 2 ** 20;

/** A body of more bytes is not even read to its end. */
const endlessBody = 16 * maximumBody;

async function readText(c: Context): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of c.req.raw.body ?? []) {
    size += chunk.length;
    if (size <= maximumBody) chunks.push(chunk);
    if (size > endlessBody) throw tooLarge({ connection: "close" });
  }
  // Many clients read no response, and none may use the connection again, before the whole body is sent.
  if (size > maximumBody) throw tooLarge();
  return Buffer.concat(chunks).toString();
}

function tooLarge(headers: Readonly<Record<string, string>> = {}): ApiError {
  return new ApiError(413, `The body of the request is larger than ${maximumBody} bytes.`, { headers });
}

/** ["messages", 0, "role"] as "messages[0].role". */
function nameField(path: readonly PropertyKey[]): string {
  return path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("")
    .replace(/^\./, "");
}
