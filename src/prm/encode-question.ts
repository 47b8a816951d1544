/** @file A question as a process reward model reads it. */

import { tokenizePrompt } from "../core/data/tokenize-prompt.ts";
import { InputError } from "../core/errors.ts";
import type { Tokenizer } from "../core/tokenization/tokenizer.ts";

/**
 * @param chat whether questions are turns of a chat, where the model has a template
 * @throws InputError if there is nothing in it.
 */
export function encodeQuestion(question: string, tokenizer: Tokenizer, chat: boolean): readonly number[] {
  const plain = { prompt: question, completion: "" };
  const asked = { messages: [{ role: "user", content: question }], plain };
  const { ids } = tokenizePrompt(asked, tokenizer, { applyChatTemplate: chat }, "the question");
  if (ids.length === 0)
    throw new InputError("A question is empty, so that no step can answer it; write one.");
  return [...ids];
}
