/** @file Prompts as token ids: chats through the model's template, texts as they are. */

import { InputError } from "../errors.ts";
import { adjustBeginning } from "../tokenization/beginning.ts";
import { applyChatTemplate, type ChatMessage, chatOptionsOf } from "../tokenization/chat-template.ts";
import type { Tokenizer } from "../tokenization/tokenizer.ts";
import { encodeUnfinished } from "../tokenization/unfinished.ts";

/**
 * A conversation in the model's chat template, ready for the assistant's next turn.
 *
 * @param variables of the template, such as `enable_thinking`
 * @throws InputError if the model has no chat template, or the template refuses the conversation.
 */
export function renderChat(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  variables: Readonly<Record<string, unknown>> = {},
): string {
  if (tokenizer.chatTemplate === undefined) {
    throw new InputError("The model has no chat template, so it cannot hold a conversation.");
  }
  return applyChatTemplate(tokenizer.chatTemplate, messages, {
    addGenerationPrompt: true,
    variables,
    ...chatOptionsOf(tokenizer),
  }).text;
}

/**
 * Token ids of {@link renderChat}.
 *
 * @example
 * const { openModel } = await import("slimtune");
 * const { tokenizer } = await openModel("fixtures/embedded-model");
 * const promptIds = encodeChat(tokenizer, [{ role: "user", content: "When do you open?" }]);
 */
export function encodeChat(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  variables: Readonly<Record<string, unknown>> = {},
): number[] {
  return encodeText(tokenizer, renderChat(tokenizer, messages, variables));
}

/**
 * Token ids of a text, with one beginning-of-sequence token if the model wants one or the text has one.
 *
 * @param options.isUnfinished whether line ends at its end are divided as where a letter follows. Default false.
 * @example
 * const { openModel } = await import("slimtune");
 * const { tokenizer } = await openModel("fixtures/embedded-model");
 * const promptIds = encodeText(tokenizer, "Once there was");
 */
export function encodeText(
  tokenizer: Tokenizer,
  text: string,
  { isUnfinished = false }: { readonly isUnfinished?: boolean } = {},
): number[] {
  const ids = isUnfinished ? encodeUnfinished(tokenizer, text) : tokenizer.encode(text);
  const { drop, add } = adjustBeginning(ids, tokenizer);
  return [...add, ...ids.slice(drop)];
}
