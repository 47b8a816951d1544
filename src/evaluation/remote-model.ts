/** @file A model behind a server that speaks as OpenAI's, asked by OpenAI's client. */

import { InputError } from "../core/errors.ts";
import {
  defaultMaxGenToks,
  type GenerateUntilRequest,
  type GenerateUntilResult,
  type LanguageModel,
} from "./language-model.ts";

/** What is used of the client of the package openai. */
export interface OpenAIClient {
  readonly baseURL: string;
  readonly completions: {
    create(body: { model: string; prompt: string; stream: false }): Promise<{
      readonly choices: readonly { readonly text: string }[];
      readonly usage?: TokenUsage | undefined;
    }>;
  };
  readonly chat: {
    readonly completions: {
      create(body: { model: string; messages: UserMessage[]; stream: false }): Promise<{
        readonly choices: readonly { readonly message: { readonly content: string | null } }[];
        readonly usage?: TokenUsage | undefined;
      }>;
    };
  };
}

export interface TokenUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
}

export interface UserMessage {
  readonly role: "user";
  readonly content: string;
}

export interface RemoteModelOptions {
  /** The model's name at the server. */
  readonly model: string;
  /** Tokens that the model sees at a time. Default: any number, of which the server refuses what is too much. */
  readonly maxLength?: number;
  /** Requests under way at a time. Default 8. */
  readonly concurrency?: number;
}

/** More stop strings than this are refused by OpenAI's own server; answers are cut at all of them in any case. */
export const mostStops = 4;

/**
 * A model that a server writes with. Prompts in the chat template go as conversations, to which the server applies its own.
 * It gives no log-likelihoods: tasks that need them are refused, and of the others the right answers are not scored.
 *
 * @param client of the package openai, with the server's address and key
 * @example
 * const { default: OpenAI } = await import("openai");
 * const client = new OpenAI({ baseURL: "http://127.0.0.1:8000/v1", apiKey: "none" });
 * const model = createRemoteModel(client, { model: "smollm2" });
 * const { tasks } = await prepareTasks(["gsm8k"], { limit: 20, applyChatTemplate: model.applyChatTemplate });
 * console.log(renderTable(await evaluate(model, tasks)));
 */
export function createRemoteModel(client: OpenAIClient, options: RemoteModelOptions): LanguageModel {
  const { model, maxLength = Number.POSITIVE_INFINITY, concurrency = 8 } = options;
  const tokenCounts = { scored: 0, generated: 0 };
  /** What stands for conversations in requests, whose contexts are texts. */
  const conversations = new Map<string, UserMessage[]>();

  const write = async (
    { context, options }: GenerateUntilRequest,
    seed: number,
  ): Promise<GenerateUntilResult> => {
    const { until, max_gen_toks = defaultMaxGenToks, do_sample, temperature = 1, ...others } = options;
    const stop = until.filter((string) => string !== "").slice(0, mostStops);
    const settings = {
      model,
      max_tokens: max_gen_toks,
      ...(do_sample ? { temperature, seed } : { temperature: 0 }),
      ...(stop.length > 0 && { stop }),
      // Fields of the same names, which OpenAI's own server lacks but for the first.
      ...others,
      stream: false as const,
    };
    const messages = conversations.get(context);
    const { text, usage } = messages
      ? await client.chat.completions
          .create({ ...settings, messages })
          .then(({ choices, usage }) => ({ text: choices[0]?.message.content ?? "", usage }))
      : await client.completions
          .create({ ...settings, prompt: context })
          .then(({ choices, usage }) => ({ text: choices[0]?.text ?? "", usage }));
    tokenCounts.scored += usage?.prompt_tokens ?? 0;
    tokenCounts.generated += usage?.completion_tokens ?? 0;
    return { text: cutAt(text, until), tokens: usage?.completion_tokens ?? 0 };
  };

  return {
    maxLength,
    chatTemplate: undefined,
    canScore: () => false,
    tokenCounts,
    applyChatTemplate(messages) {
      const text = JSON.stringify(messages);
      conversations.set(text, messages as UserMessage[]);
      return text;
    },
    loglikelihood: refuseLikelihoods,
    loglikelihoodRolling: refuseLikelihoods,
    async generateUntil(requests, onResult) {
      const results = new Array<GenerateUntilResult>(requests.length);
      let next = 0;
      const work = async () => {
        while (next < requests.length) {
          const index = next++;
          results[index] = await write(requests[index]!, index).catch((error) => {
            next = requests.length;
            throw explainServerError(error, client.baseURL);
          });
          onResult?.(index, results[index]);
        }
      };
      await Promise.all(Array.from({ length: concurrency }, work));
      return results;
    },
  };
}

async function refuseLikelihoods(): Promise<never> {
  throw new InputError(
    "A server gives no log-likelihoods of texts that it has not written, so choices and perplexities cannot be asked of it; leave those tasks out, or evaluate the model on this machine.",
  );
}

/** The text before the first of these strings. */
export function cutAt(text: string, until: readonly string[]): string {
  const ends = until.filter((string) => string !== "").map((string) => text.indexOf(string));
  return text.slice(0, Math.min(text.length, ...ends.filter((end) => end >= 0)));
}

/** An error of the client as one of the input, if it is: a server that is not there, or that refuses what it is asked. */
export function explainServerError(error: unknown, address: string): unknown {
  if (!(error instanceof Error) || !("status" in error)) return error;
  const { status, message } = error;
  if (status === undefined) {
    return error.name === "APIConnectionTimeoutError" || /timed out/.test(message)
      ? new InputError(`The server at ${address} takes too long to answer; ask it for less at a time.`)
      : new InputError(`The server at ${address} does not answer; start it, or correct its address.`);
  }
  const refuses = typeof status === "number" && status >= 400 && status < 500;
  return refuses ? new InputError(`The server at ${address} refuses a request: ${message}`) : error;
}
