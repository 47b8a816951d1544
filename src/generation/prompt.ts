/** @file Prompts and conversations as the model's tokens. */

import { InputError } from "../errors.ts";
import type { Model } from "../models/open-model.ts";
import { adjustBeginning } from "../tokenization/beginning.ts";
import { applyChatTemplate, type ChatMessage, specialTokensOf } from "../tokenization/chat-template.ts";

/** A conversation in the model's chat template, ready for the assistant's answer. @throws InputError if it has none. */
export function renderChat({ tokenizer }: Model, messages: readonly ChatMessage[]): string {
  if (tokenizer.chatTemplate === undefined) {
    throw new InputError("The model has no chat template, so it cannot take the prompt as a chat message.");
  }
  return applyChatTemplate(tokenizer.chatTemplate, messages, {
    addGenerationPrompt: true,
    ...specialTokensOf(tokenizer),
  }).text;
}

/** The tokens of {@link renderChat}, with exactly one beginning-of-sequence token where the model has one. */
export function encodeChat(model: Model, messages: readonly ChatMessage[]): number[] {
  const ids = model.tokenizer.encode(renderChat(model, messages));
  const { drop, add } = adjustBeginning(ids, model.tokenizer);
  return [...add, ...ids.slice(drop)];
}
