/** @file A model behind a server that speaks as OpenAI's, as a writer. */

import { z } from "zod";
import { thinkSpellings } from "../core/decoding/thinking.ts";
import { InputError } from "../core/errors.ts";
import type { ChatMessage } from "../core/tokenization/chat-template.ts";
import { askServer } from "../evaluation/ask-server.ts";
import { cutAt, mostStops } from "../evaluation/remote-model.ts";
import { mean } from "../statistics/estimates.ts";
import { createSharedClock } from "./meter.ts";
import { plainPrompt, plainStops } from "./prompts.ts";
import { begunText, type TextRequest, type Writer, type Written } from "./writer.ts";

/** What is used of the client of the package openai. */
export interface WritingClient {
  readonly baseURL: string;
  readonly completions: Endpoint<{ readonly prompt: string }>;
  readonly chat: { readonly completions: Endpoint<{ readonly messages: ServerMessage[] }> };
}

interface Endpoint<Prompt> {
  create(
    body: Prompt & { model: string; stream: false; max_tokens: number },
    options: { signal: AbortSignal },
  ): Promise<unknown>;
}

/** A turn of a conversation. */
export type ServerMessage =
  | { readonly role: "system"; readonly content: string }
  | { readonly role: "user"; readonly content: string }
  | { readonly role: "assistant"; readonly content: string };

export interface RemoteWriterOptions {
  /** The model's name at the server. */
  readonly model: string;
  /** Whether conversations go to the endpoint for chats, or as plain text to that for completions. Default true. */
  readonly chat?: boolean;
  /** Requests under way at a time. Default 8. */
  readonly concurrency?: number;
  /** Seconds that a text may take, with all that is sent again. Default 600. */
  readonly timeout?: number;
}

/** Seconds within which a server that is well gives the first token, having loaded its model. */
const firstToken = 120;

/**
 * A server as a writer. What it has begun is gone on with by the text: in plain text always; in chats by the fields
 * `continue_final_message` and `add_generation_prompt` of vLLM, SGLang and `slimtune serve`.
 *
 * @param client of the package openai, with the server's address and key
 */
export function createRemoteWriter(client: WritingClient, options: RemoteWriterOptions): Writer {
  const { model, chat = true, concurrency = 8, timeout } = options;
  const clock = createSharedClock();
  const slots = createSlots(concurrency);

  const ask = async (request: TextRequest, signal: AbortSignal): Promise<unknown> => {
    const { messages, begun, maxTokens, temperature = 0, topP = 1, seed, logprobs } = request;
    const settings = {
      model,
      max_tokens: maxTokens,
      temperature,
      ...(temperature > 0 && { top_p: topP, seed }),
      ...listStops(stopsOf(request, chat)),
      stream: false as const,
    };
    const turn = begunText(begun);
    if (!chat) {
      const prompt = plainPrompt(messages) + turn;
      return client.completions.create({ ...settings, prompt, ...(logprobs && { logprobs: 0 }) }, { signal });
    }
    const turns = messages.map(asServerMessage);
    const continued = { continue_final_message: true, add_generation_prompt: false };
    return client.chat.completions.create(
      {
        ...settings,
        messages: turn === "" ? turns : [...turns, { role: "assistant", content: turn }],
        ...(turn !== "" && continued),
        ...(logprobs && { logprobs: true }),
      },
      { signal },
    );
  };

  const write = async (request: TextRequest, signal: AbortSignal, seconds = timeout): Promise<Written> => {
    const leave = clock.enter();
    const response = await slots.use(() =>
      askServer({ address: client.baseURL, schema: responseSchema, seconds, signal }, (signal) =>
        ask(request, signal),
      ),
    );
    return asWritten(request, response, stopsOf(request, chat), leave());
  };

  return {
    identity: `${client.baseURL} ${model} ${chat ? "chat" : "plain"}`,
    name: `${model} at ${client.baseURL}`,
    server: client.baseURL,
    chat,
    abilities: ["continue", "logprobs"],
    async check(needs) {
      const request: TextRequest = {
        messages: [{ role: "user", content: "2 + 3 =" }],
        ...(needs.includes("continue") && { begun: ["2 + 3 ="] }),
        ...(needs.includes("logprobs") && { logprobs: true }),
        maxTokens: 1,
        seed: 0,
      };
      const seconds = Math.min(firstToken, timeout ?? firstToken);
      const { text, meanLogprob } = await write(request, new AbortController().signal, seconds);
      if (needs.includes("logprobs") && text !== "" && meanLogprob === undefined) {
        throw new InputError(
          `The server at ${client.baseURL} gives no log-probabilities of what it writes; leave out the strategies that need them, or ask a model on this machine.`,
        );
      }
    },
    write: (request, signal) => write(request, signal),
    async release() {},
  };
}

const usageSchema = z.object({
  prompt_tokens: z.number(),
  completion_tokens: z.number(),
  prompt_tokens_details: z.object({ cached_tokens: z.number().nullish() }).nullish(),
});

/** Some servers, such as vLLM, say which stop string has ended a text; null if none has. */
const stopReason = { stop_reason: z.union([z.string(), z.number()]).nullish() };

const chatChoice = z.object({
  message: z.object({ content: z.string().nullable(), reasoning_content: z.string().nullish() }),
  finish_reason: z.string().nullish(),
  ...stopReason,
  logprobs: z.object({ content: z.array(z.object({ logprob: z.number() })).nullish() }).nullish(),
});

const textChoice = z.object({
  text: z.string(),
  finish_reason: z.string().nullish(),
  ...stopReason,
  logprobs: z.object({ token_logprobs: z.array(z.number().nullable()).nullish() }).nullish(),
});

const responseSchema = z.object({
  choices: z.tuple([z.union([chatChoice, textChoice])]),
  usage: usageSchema,
});

function asWritten(
  request: TextRequest,
  { choices: [choice], usage }: z.output<typeof responseSchema>,
  stops: readonly string[],
  seconds: number,
): Written {
  const text = cutAt("text" in choice ? choice.text : joinThoughts(choice.message), stops);
  const openThoughts = findOpenThoughts(begunText(request.begun) + text);
  const logprobs =
    "text" in choice
      ? choice.logprobs?.token_logprobs?.map((logprob) => logprob ?? 0)
      : choice.logprobs?.content?.map(({ logprob }) => logprob);
  // Not every server says which of several things has ended a text.
  const endsThoughts = request.stopAfterThoughts === true && openThoughts !== undefined;
  const reason = choice.finish_reason === "length" ? "length" : endsThoughts ? "thoughts" : "stop";
  const stopReason = choice.stop_reason;
  return {
    text,
    reason,
    ...(reason === "stop" && stopReason !== undefined && { isEnded: typeof stopReason !== "string" }),
    ...(typeof stopReason === "string" && { stopString: stopReason }),
    tokens: usage.completion_tokens,
    promptTokens: usage.prompt_tokens,
    computedPromptTokens: usage.prompt_tokens - (usage.prompt_tokens_details?.cached_tokens ?? 0),
    seconds,
    ...(openThoughts !== undefined && { openThoughts }),
    ...(logprobs && logprobs.length > 0 && { meanLogprob: mean(logprobs) }),
  };
}

/** Some servers give the thoughts apart. */
function joinThoughts({ content, reasoning_content }: z.output<typeof chatChoice>["message"]): string {
  if (!reasoning_content) return content ?? "";
  const [start, end] = thinkSpellings[0];
  return content ? `${start}${reasoning_content}${end}${content}` : `${start}${reasoning_content}`;
}

function findOpenThoughts(text: string): string | undefined {
  return thinkSpellings.find(([start, end]) => text.lastIndexOf(start) > text.lastIndexOf(end))?.[1];
}

function stopsOf(request: TextRequest, chat: boolean): string[] {
  return [
    ...(request.stop ?? []),
    ...(chat ? [] : plainStops),
    ...(request.stopAfterThoughts ? thinkSpellings.slice(0, 1).map(([, end]) => end) : []),
  ];
}

function listStops(stops: readonly string[]): { readonly stop?: string[] } {
  return stops.length > 0 ? { stop: stops.slice(0, mostStops) } : {};
}

function asServerMessage({ role, content }: ChatMessage): ServerMessage {
  const text = String(content);
  return role === "assistant" || role === "system"
    ? { role, content: text }
    : { role: "user", content: text };
}

/** So many things at a time. */
function createSlots(count: number): { use<T>(act: () => Promise<T>): Promise<T> } {
  const waiting: (() => void)[] = [];
  let free = count;
  return {
    async use(act) {
      if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      else free--;
      try {
        return await act();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else free++;
      }
    },
  };
}
