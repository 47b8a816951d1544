/** @file A conversation with a model: questions in, answers out, and what was said before in each prompt. */

import type { AdaptedModel } from "../adapters/adapted-model.ts";
import { longestCachedText } from "../engine/layer-context.ts";
import { InputError } from "../errors.ts";
import type { ChatMessage } from "../tokenization/chat-template.ts";
import type { Generation, GenerationRequest, Generator, Piece } from "./generator.ts";
import { encodeChat } from "./prompt.ts";
import { checkSampling } from "./sample.ts";

export interface ConversationOptions
  extends Omit<GenerationRequest, "promptIds" | "adapter" | "stop" | "logprobs"> {
  /** Message before the conversation. Default: none. */
  readonly system?: string;
}

export interface ConversationEvents {
  /** Aborting it ends the answer; what was written of it stays in the conversation. */
  readonly signal?: AbortSignal;
  readonly onPiece?: (piece: Piece) => void;
  /** Called before the answer if the context is full, with how many of the oldest questions the model no longer sees. */
  readonly onForgotten?: (questions: number) => void;
}

export interface Conversation {
  /** Questions and answers that the model sees, oldest first. */
  readonly messages: readonly ChatMessage[];
  /**
   * Asks a question and keeps it with its answer.
   *
   * @returns the answer; undefined if it was aborted
   * @throws InputError if the question alone fills the context; it is then not kept.
   */
  ask(question: string, events?: ConversationEvents): Promise<Generation | undefined>;
  /** Begins anew. */
  reset(): void;
}

/**
 * Begins a conversation. When it no longer fits into the model's context, its oldest questions and answers are dropped. Each
 * answer is drawn with another seed, counted up from `options.seed`.
 *
 * @throws InputError if the model has no chat template or that takes no system message, or an option is out of its range.
 * @example
 * const model = await openModel("fixtures/embedded-model");
 * const conversation = createConversation(createGenerator(model), model, { maxNewTokens: 100 });
 * console.log((await conversation.ask("When do you open?"))?.text);
 */
export function createConversation(
  generator: Generator,
  { tokenizer, config }: Pick<AdaptedModel, "tokenizer" | "config">,
  { system, seed = 0, ...settings }: ConversationOptions,
): Conversation {
  const opening: readonly ChatMessage[] = system === undefined ? [] : [{ role: "system", content: system }];
  checkSampling(settings);
  // Says at once if there is no template, or it wants no system message.
  encodeChat(tokenizer, [...opening, { role: "user", content: "" }]);
  const contextLength = longestCachedText(config);
  let messages: readonly ChatMessage[] = [];
  let asked = 0;

  /** The latest messages that leave room for an answer, with the prompt that they make. */
  function fitContext(question: ChatMessage): { kept: readonly ChatMessage[]; promptIds: number[] } {
    const room = Math.min(settings.maxNewTokens, Math.floor(contextLength / 4));
    for (let kept = messages; ; kept = kept.slice(2)) {
      const promptIds = encodeChat(tokenizer, [...opening, ...kept, question]);
      if (promptIds.length <= contextLength - room) return { kept, promptIds };
      if (kept.length > 0) continue;
      if (promptIds.length < contextLength) return { kept, promptIds };
      throw new InputError(
        `The question has ${promptIds.length} tokens, but the model's context is ${contextLength}; shorten it.`,
      );
    }
  }

  return {
    get messages() {
      return messages;
    },
    reset() {
      messages = [];
    },
    async ask(text, { signal, onPiece, onForgotten } = {}) {
      const question = { role: "user", content: text };
      const { kept, promptIds } = fitContext(question);
      if (kept.length < messages.length) onForgotten?.((messages.length - kept.length) / 2);
      messages = kept;
      let written = "";
      let generation: Generation | undefined;
      try {
        generation = await generator.generate(
          { ...settings, promptIds, seed: seed + asked },
          {
            ...(signal && { signal }),
            onPiece(piece) {
              written += piece.text;
              onPiece?.(piece);
            },
          },
        );
      } catch (error) {
        if (!signal?.aborted) throw error;
      }
      asked++;
      messages = [...messages, question, { role: "assistant", content: written }];
      return generation;
    },
  };
}
