/** @file What requests may contain: OpenAI's fields, some that other local servers add, and a word on all others. */

import { isDeepStrictEqual } from "node:util";
import { z } from "zod";

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

/** A list whose length is looked at before its elements are. */
function boundedList<T extends z.ZodType>(element: T, longest: number, shortest = 0) {
  return z
    .array(z.unknown())
    .min(shortest)
    .max(longest, { error: `has more than ${longest} elements.`, abort: true })
    .pipe(z.array(element));
}

/** More than any conversation has. */
const mostMessages = 10_000;

const longestStop = 4096;
const stopString = z.string().min(1).max(longestStop);

const commonFields = {
  model: z.string(),
  temperature: z.number().min(0).default(1),
  top_p: z.number().gt(0).max(1).default(1),
  n: z.int().min(1).max(128).default(1),
  seed: z.int().optional(),
  stop: z
    .union([stopString.transform((text) => [text]), boundedList(stopString, 16)], {
      error: `must be a string, or an array of up to 16 strings, each of 1 to ${longestStop} characters.`,
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
  /** The most tokens of the model's thoughts, which are then ended; llama.cpp's name for it. */
  thinking_budget_tokens: z.int().min(0).optional(),

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
  [
    z.string(),
    boundedList(textPart, mostMessages).transform((parts) => parts.map(({ text }) => text).join("\n")),
  ],
  { error: 'must be a string or an array of parts of the type "text"; others are not supported.' },
);

const message = z
  .strictObject({
    role: z.enum(["system", "developer", "user", "assistant"]),
    content: content.optional(),
    name: z.string().optional(),
    refusal: unsupported(),
    audio: unsupported(),
    annotations: withoutEffect,
    tool_calls: unsupported([]),
    function_call: unsupported(),
  })
  .refine(({ role, content }) => role === "assistant" || content !== undefined, {
    path: ["content"],
    error: "is missing.",
  })
  // Templates know "developer" by its older name.
  .transform(({ role, content = "", name }) => ({
    role: role === "developer" ? "system" : role,
    content,
    ...(name !== undefined && { name }),
  }));

/** Body of POST /v1/chat/completions. */
export const chatBody = z
  .strictObject({
    ...commonFields,
    messages: boundedList(message, mostMessages, 1),
    max_tokens: z.int().min(1).optional(),
    max_completion_tokens: z.int().min(1).optional(),
    logprobs: z.boolean().default(false),
    top_logprobs: z.int().min(0).max(20).optional(),
    /** Variables of the chat template, such as `enable_thinking`; vLLM's name for them. */
    chat_template_kwargs: z.record(z.string(), z.unknown()).optional(),
    /** Whether the answer goes on with the last message, which is then the assistant's; vLLM's name for it, and its other half. */
    continue_final_message: z.boolean().default(false),
    add_generation_prompt: z.boolean().optional(),

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
  })
  .refine(
    ({ continue_final_message, messages }) =>
      !continue_final_message || messages.at(-1)?.role === "assistant",
    {
      path: ["continue_final_message"],
      error: "is only allowed when the last message is the assistant's.",
    },
  )
  .refine(
    ({ continue_final_message, add_generation_prompt = !continue_final_message }) =>
      add_generation_prompt !== continue_final_message,
    {
      path: ["add_generation_prompt"],
      error: "must be the opposite of continue_final_message; leave it out.",
    },
  );

/** A prompt as text or as token ids. */
export type Prompt = string | readonly number[];

function isTokenIds(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length > 0 && value.every((id) => Number.isSafeInteger(id) && id >= 0);
}

/** The four forms that prompts may have, told apart without an error for each element that is of none. */
function asPrompts(value: unknown): readonly Prompt[] | undefined {
  if (typeof value === "string") return [value];
  if (isTokenIds(value)) return [value];
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const alike = value.every((prompt) => typeof prompt === "string") || value.every(isTokenIds);
  return alike ? value : undefined;
}

/** Body of POST /v1/completions. */
export const completionBody = z
  .strictObject({
    ...commonFields,
    prompt: z.unknown().transform((value, context) => {
      const prompts = asPrompts(value);
      if (prompts) return prompts;
      context.addIssue(
        "must be a string, an array of strings, an array of token ids, or an array of such arrays.",
      );
      return z.NEVER;
    }),
    max_tokens: z.int().min(1).default(16),
    echo: z.boolean().default(false),
    logprobs: z.int().min(0).max(20).optional(),

    best_of: z.int().optional(),
    suffix: unsupported(""),
  })
  .refine(({ stream, stream_options }) => stream || !stream_options, {
    path: ["stream_options"],
    error: "is only allowed when stream is true.",
  })
  .refine(({ best_of, n }) => best_of === undefined || best_of === n, {
    path: ["best_of"],
    error: "this server does not choose among texts; leave it out, or give it the value of n.",
  })
  .refine(({ echo, logprobs }) => !echo || logprobs === undefined, {
    path: ["logprobs"],
    error:
      "this server does not compute them for the tokens of an echoed prompt; leave out echo or logprobs.",
  });

export type CommonFields = Pick<z.output<typeof chatBody>, keyof typeof commonFields>;
