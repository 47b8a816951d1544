/** @file From a conversation to tokens, by the model's chat template. */

import { InputError } from "../errors.ts";
import { renderTurns } from "../tokenization/assistant-turns.ts";
import {
  applyChatTemplate,
  type ChatMessage,
  type ChatTemplateOptions,
  chatOptionsOf,
  mentions,
} from "../tokenization/chat-template.ts";
import type { Tokenizer } from "../tokenization/tokenizer.ts";
import type { TokenizedExample } from "./batch.ts";
import type { Example } from "./example.ts";
import { finishExample, type MaskedTokens, tokenizeSpans } from "./masked-tokens.ts";
import { contentText } from "./messages.ts";

/** A row as examples. */
export interface TokenizedRow {
  readonly examples: readonly TokenizedExample[];
  /** Roles of messages whose texts are in no example, since the template does not print them. */
  readonly unprintedRoles: readonly string[];
}

/**
 * Tokenizes a conversation. Where the template prints turns differently when others follow, it becomes several examples,
 * each with the turns that stand in it as the model would write them.
 *
 * @throws InputError if the template refuses the conversation, leaves out its calls of tools, or loses the end of a turn;
 *   or if all tokens are trained on but for turns that are not found.
 */
export function tokenizeConversation(
  { givenMessages = 0, maskedMessages = [], tools, variables }: Example,
  given: readonly ChatMessage[],
  template: string,
  tokenizer: Tokenizer,
  trainOn: "completion" | "all",
): TokenizedRow {
  checkCalls(given, template);
  const options = { ...chatOptionsOf(tokenizer), ...(tools && { tools }), ...(variables && { variables }) };
  const messages = joinParts(given, template, options);
  const tokenize = (turns: readonly number[]) =>
    renderTurns(template, messages, turns, tokenizer, options).map(({ text, spans }) => {
      const tokens = tokenizeSpans(text, spans, tokenizer);
      includeTurnEnds(tokens, tokenizer);
      return { text, tokens };
    });
  if (trainOn === "completion") {
    const isTrained = (i: number) => i >= givenMessages && !maskedMessages.includes(i);
    const turns = [...messages.keys()].filter((i) => messages[i]!.role === "assistant" && isTrained(i));
    const found = tokenize(turns);
    return {
      examples: found.map(({ tokens }) => finishExample(tokens, tokenizer, 0)),
      unprintedRoles: listUnprinted(messages.slice(0, turns.at(-1)), found.at(-1)!.text),
    };
  }
  const { text } = applyChatTemplate(template, messages, options);
  const [found] = tokenize(maskedMessages);
  if (found?.text !== text || maskedMessages.some((i) => messages[i]!.role !== "assistant")) {
    throw new InputError(
      "The messages that are not to be trained on cannot be told from the others in the whole conversation; train on the completions.",
    );
  }
  const { ids, trained } = found.tokens;
  const tokens = { ids, trained: trained.map((mark) => 1 - mark) };
  return {
    examples: [finishExample(tokens, tokenizer, 1)],
    unprintedRoles: listUnprinted(messages, text),
  };
}

/** Roles of messages whose texts are not in `text`. What the assistant thinks and what tools return may be written anew. */
function listUnprinted(messages: readonly ChatMessage[], text: string): string[] {
  const given = messages.filter(({ role }) => role !== "assistant" && role !== "tool");
  const unprinted = given.filter(
    ({ content }) => typeof content === "string" && !text.includes(content.trim()),
  );
  return [...new Set(unprinted.map(({ role }) => role))];
}

/** @throws InputError if the template would leave out calls of tools, so that the model would learn to stop in their place. */
function checkCalls(messages: readonly ChatMessage[], template: string): void {
  const calling = messages.findIndex(({ tool_calls }) => tool_calls !== undefined);
  if (calling >= 0 && !mentions(template, "tool_calls")) {
    throw new InputError(
      `The chat template does not print the tool calls of message ${calling + 1}; give one that does by --chat-template.`,
    );
  }
}

/**
 * The messages with parts of texts as one text, unless the template reads parts: where it does, it prints a text as it
 * prints the only part of one.
 */
function joinParts(
  messages: readonly ChatMessage[],
  template: string,
  options: ChatTemplateOptions,
): readonly ChatMessage[] {
  const hasParts = ({ content }: ChatMessage) => Array.isArray(content);
  if (!messages.some(hasParts)) return messages;
  const replaceParts = (replace: (text: string) => string | object) =>
    messages.map((message) =>
      hasParts(message) ? { ...message, content: replace(contentText(message)) } : message,
    );
  const joined = replaceParts((text) => text);
  try {
    const single = replaceParts((text) => [{ type: "text", text }]);
    const print = (chat: readonly ChatMessage[]) => applyChatTemplate(template, chat, options).text;
    if (print(single) === print(joined)) return messages;
  } catch {
    // A template that fails on parts does not read them.
  }
  return joined;
}

/** Makes the token that ends each turn part of the loss, so that the model learns to stop. */
function includeTurnEnds({ ids, trained }: MaskedTokens, tokenizer: Tokenizer): void {
  for (let i = 0; i < ids.length; i++) {
    const endsSpan = trained[i] === 1 && trained[i + 1] !== 1;
    if (!endsSpan) continue;
    // A {% generation %} block may go on after the end-of-turn token, with a line break.
    let last = i;
    while (trained[last - 1] === 1 && isBlank(ids[last]!, tokenizer)) last--;
    if (tokenizer.isSpecial(ids[last]!)) continue;
    const next = ids[i + 1];
    if (next === undefined || !tokenizer.isSpecial(next)) {
      throw new InputError(
        `The chat template puts no special token at the end of the assistant's turn, so the model could not learn to stop; correct the template.`,
      );
    }
    trained[i + 1] = 1;
  }
}

function isBlank(id: number, tokenizer: Tokenizer): boolean {
  return !tokenizer.isSpecial(id) && tokenizer.decode([id]).trim() === "";
}
