/** @file What writes for strategies: a model on this machine or a server, both asked for the turn of an assistant. */

import { z } from "zod";
import type { ChatMessage } from "../core/tokenization/chat-template.ts";

/** The assistant's turn after a conversation. */
export interface WriteRequest {
  readonly messages: readonly ChatMessage[];
  /** What the turn begins with: texts of the strategy's, and what the model wrote before, whose very tokens are gone on from. */
  readonly begun?: readonly (string | Written)[];
  /** The most tokens that are written. */
  readonly maxTokens: number;
  /** The text ends before the first of these strings. */
  readonly stop?: readonly string[];
  /** Whether the text ends where the model's thoughts do, before the token that ends them. Default false. */
  readonly stopAfterThoughts?: boolean;
  /** Texts that are drawn. Default 1. */
  readonly samples?: number;
  /**
   * The number of the first of them, from 0: the draws of a text are decided by the run's seed, the problem and this number, so
   * strategies that ask the same share them. Default 0.
   */
  readonly firstSample?: number;
  /** Default 0: the likeliest token at each place. */
  readonly temperature?: number;
  /** Default 1. */
  readonly topP?: number;
  /** Whether the log-probabilities of the written tokens are asked for. Default false. */
  readonly logprobs?: boolean;
  /** The model that writes, if it is another than the run's: one that the strategy names among its `models`. */
  readonly model?: string;
}

export const writtenSchema = z.object({
  /** Without what ended it. */
  text: z.string(),
  /**
   * "stop": by itself, or at a stop string; "thoughts": where the thoughts end, if that was asked for; "length": for want of
   * tokens.
   */
  reason: z.enum(["stop", "thoughts", "length"]),
  /** Of a text that stops: whether the model ended it, and not a stop string; absent if that is not known. */
  isEnded: z.boolean().exactOptional(),
  /** The stop string that ended the text; absent if none did, or that is not known. */
  stopString: z.string().exactOptional(),
  /** Tokens written, with that which ended the text. */
  tokens: z.number(),
  promptTokens: z.number(),
  computedPromptTokens: z.number(),
  seconds: z.number(),
  /** The tokens of the text, where they are known and make up exactly it. */
  ids: z.array(z.number()).exactOptional(),
  /** What would end the thoughts in which the turn breaks off, such as "</think>"; absent if it does not break off in thoughts. */
  openThoughts: z.string().exactOptional(),
  /** Mean over the text's tokens of ln p(token | what stands before), if it was asked for and there are such; in nats. */
  meanLogprob: z.number().exactOptional(),
});

/** A text that a model wrote. */
export type Written = z.output<typeof writtenSchema>;

/** A request for one text. */
export interface TextRequest extends Omit<WriteRequest, "samples" | "firstSample" | "model"> {
  readonly seed: number;
}

/**
 * What a strategy may need, and not every writer has: to go on from what the turn begins with, and log-probabilities of what is
 * written, and of given texts.
 */
export type Ability = "continue" | "logprobs" | "score";

export const scoreSchema = z.object({
  /** Sum over the text's tokens of ln p(token | what stands before), in nats. */
  logprob: z.number(),
  tokens: z.number(),
  seconds: z.number(),
});

/** How likely a given text is. */
export type ScoredText = z.output<typeof scoreSchema>;

export interface Writer {
  /** All that its answers depend on apart from the request, as a text. */
  readonly identity: string;
  /** For people. */
  readonly name: string;
  /** The address that all that is asked goes to; absent if it stays on this machine. */
  readonly server?: string;
  /** Whether conversations are turns of a chat, or plain text. */
  readonly chat: boolean;
  readonly abilities: readonly Ability[];
  /** The most tokens of a conversation with what is written; absent if that is not known. */
  readonly context?: number;
  /** Asks for a token, to see whether a server is there and does what is needed. @throws InputError if it does not */
  check?(needs: readonly Ability[]): Promise<void>;
  /** How many tokens a text within the assistant's turn takes; absent if that is not known. */
  countTokens?(text: string): number;
  /** How many tokens a conversation takes before the assistant's turn; absent if that is not known. */
  countPrompt?(messages: readonly ChatMessage[]): number;
  /**
   * Writes one text; those that are asked for at the same time are written side by side.
   *
   * @throws InputError if the conversation leaves no room for an answer, or the server does not answer as it should.
   */
  write(request: TextRequest, signal: AbortSignal): Promise<Written>;
  /** How likely the assistant's turn is to go on with a text. Only with the ability "score". */
  score?(request: Pick<WriteRequest, "messages" | "begun">, text: string): Promise<ScoredText>;
  release(): Promise<void>;
}

/** The text that a turn begins with. */
export function begunText(begun: WriteRequest["begun"] = []): string {
  return begun.map((part) => (typeof part === "string" ? part : part.text)).join("");
}

/** What a strategy needs, for people. */
export const abilityNames: Readonly<Record<Ability, string>> = {
  continue: "answers that go on from a beginning",
  logprobs: "log-probabilities of what is written",
  score: "log-probabilities of given texts",
};
