/** @file From an example to tokens, and which of them are trained on. */

import { InputError } from "../errors.ts";
import { chatTemplateFor } from "../tokenization/chat-template.ts";
import type { Tokenizer } from "../tokenization/tokenizer.ts";
import type { Example } from "./example.ts";
import { finishExample, tokenizeSpans } from "./masked-tokens.ts";
import { type TokenizedRow, tokenizeConversation } from "./tokenize-conversation.ts";

/** Which tokens the loss is taken over: those of the completions (with the end-of-turn token), or all. */
export type TrainOn = "completion" | "all";

export interface TokenizationOptions {
  readonly trainOn: TrainOn;
  /** Whether conversations go through the chat template, where there is one. */
  readonly applyChatTemplate: boolean;
  /** Of solutions in steps: what ends a step. Default: a line feed. */
  readonly stepSeparator?: string | undefined;
}

/**
 * Tokenizes an example: through the chat template where the model has one and the example is a conversation, else as
 * its prompt followed by its completion and the end-of-sequence token.
 *
 * @param path for messages
 * @throws InputError naming file and line if the example can be brought into neither form, its conversation
 *   cannot be tokenized ({@link tokenizeConversation}), or the tokenizer has no end-of-sequence token, so that nothing
 *   would teach the model to stop.
 *
 * @example
 * const { openModel } = await import("slimtune");
 * const { tokenizer } = await openModel("fixtures/embedded-model");
 * const example = createExampleReader("faq")({ fields: { prompt: "When?", completion: "At nine." }, line: 1 });
 * const { examples } = tokenizeExample(example, tokenizer, { trainOn: "completion", applyChatTemplate: true }, "faq");
 */
export function tokenizeExample(
  example: Example,
  tokenizer: Tokenizer,
  { trainOn, applyChatTemplate }: TokenizationOptions,
  path: string,
): TokenizedRow {
  const where = `${path}, line ${example.line}`;
  const template = applyChatTemplate ? chatTemplateFor(tokenizer, example.tools) : undefined;
  if (example.messages && template !== undefined) {
    try {
      return tokenizeConversation(example, example.messages, template, tokenizer, trainOn);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      throw new InputError(`${where}: ${error.message.replace(/^T/, "t")}`, { cause: error });
    }
  }
  if (!example.plain) {
    throw new InputError(
      `${where}: the example is a conversation, but ${applyChatTemplate ? "the model has no chat template" : "no chat template is applied"}; give prompt and completion, or a template by --chat-template.`,
    );
  }
  const { prompt, completion } = example.plain;
  const text = prompt + completion;
  const tokens = tokenizeSpans(text, [[prompt.length, text.length]], tokenizer);
  if (tokenizer.eosTokenId === undefined) {
    throw new InputError(
      `${where}: the model's tokenizer names no end-of-sequence token, so the model could not learn to stop; name one in the tokenizer's configuration.`,
    );
  }
  if (tokens.ids.at(-1) !== tokenizer.eosTokenId) {
    tokens.ids.push(tokenizer.eosTokenId);
    tokens.trained.push(1);
  }
  if (trainOn === "all") tokens.trained.fill(1);
  return { examples: [finishExample(tokens, tokenizer, trainOn === "all" ? 1 : 0)], unprintedRoles: [] };
}
