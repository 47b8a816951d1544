/** @file Prompts that are to be answered, as tokens: through the chat template where the model has one. */

import { InputError } from "../errors.ts";
import { applyChatTemplate, chatOptionsOf, chatTemplateFor } from "../tokenization/chat-template.ts";
import type { Tokenizer } from "../tokenization/tokenizer.ts";
import type { TokenizedExample } from "./batch.ts";
import type { Example } from "./example.ts";
import { finishExample } from "./masked-tokens.ts";

/** What is asked: of an example all that goes before its answer. */
export type Prompt = Pick<Example, "messages" | "plain" | "tools" | "variables">;

/**
 * The tokens of a prompt, after which an answer begins; none is trained on.
 *
 * @param where the prompt is from, for the message
 * @throws InputError if the prompt is a conversation and there is no template for it.
 */
export function tokenizePrompt(
  prompt: Prompt,
  tokenizer: Tokenizer,
  options: { readonly applyChatTemplate: boolean },
  where: string,
): TokenizedExample {
  const ids = tokenizer.encode(renderPrompt(prompt, tokenizer, options, where));
  return finishExample({ ids, trained: ids.map(() => 0) }, tokenizer, 0);
}

function renderPrompt(
  { messages, plain, tools, variables }: Prompt,
  tokenizer: Tokenizer,
  options: { readonly applyChatTemplate: boolean },
  where: string,
): string {
  const template = options.applyChatTemplate ? chatTemplateFor(tokenizer, tools) : undefined;
  if (messages && template !== undefined) {
    const settings = {
      ...chatOptionsOf(tokenizer),
      ...(tools && { tools }),
      ...(variables && { variables }),
    };
    return applyChatTemplate(template, messages, { ...settings, addGenerationPrompt: true }).text;
  }
  if (plain) return plain.prompt;
  throw new InputError(
    `${where}: the prompt is a conversation, but no chat template is at hand or applied; give prompts as texts.`,
  );
}
