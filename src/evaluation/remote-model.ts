/** @file A model behind a server that speaks as OpenAI's, asked by OpenAI's client. */

import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { askServer } from "./ask-server.ts";
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
    create(
      body: { model: string; prompt: string; stream: false },
      options: { signal: AbortSignal },
    ): Promise<unknown>;
  };
  readonly chat: {
    readonly completions: {
      create(
        body: { model: string; messages: UserMessage[]; stream: false },
        options: { signal: AbortSignal },
      ): Promise<unknown>;
    };
  };
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
  /** Seconds that an answer may take, with all that is sent again. Default 600. */
  readonly timeout?: number;
}

const usage = z.object({ prompt_tokens: z.number(), completion_tokens: z.number() }).nullish();
const chatResponse = z
  .object({ choices: z.tuple([z.object({ message: z.object({ content: z.string().nullable() }) })]), usage })
  .transform(({ choices: [{ message }], usage }) => ({ text: message.content ?? "", usage }));
const textResponse = z
  .object({ choices: z.tuple([z.object({ text: z.string() })]), usage })
  .transform(({ choices: [{ text }], usage }) => ({ text, usage }));

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
  const { model, maxLength = Number.POSITIVE_INFINITY, concurrency = 8, timeout: seconds } = options;
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
    const { text, usage } = await askServer(
      { address: client.baseURL, schema: messages ? chatResponse : textResponse, seconds },
      (signal) =>
        messages
          ? client.chat.completions.create({ ...settings, messages }, { signal })
          : client.completions.create({ ...settings, prompt: context }, { signal }),
    );
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
          results[index] = await write(requests[index]!, index).catch((error: unknown) => {
            next = requests.length;
            throw error;
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
