/** @file What a row says of its whole conversation, beside the messages: the system message, tools, variables of the template. */

import type { ChatMessage } from "../tokenization/chat-template.ts";
import { type Fields, parseJsonText, saysSomething } from "./row-fields.ts";

/** Their names. "system_prompt" is another name of "system". */
export const conversationFields = ["system", "system_prompt", "tools", "chat_template_kwargs"];

/** Fields that change what a conversation means and cannot be trained on, with what to do about them. */
const refusedFields: Readonly<Record<string, string>> = {
  functions:
    'is the old form of "tools"; put each of them into that field, as {"type": "function", "function": …}',
  ...Object.fromEntries(
    ["image", "images", "video", "videos", "audio", "audios"].map((name) => [
      name,
      "is no text, and only texts can be trained on; leave it out",
    ]),
  ),
};

export interface ConversationFields {
  /** Undefined if there is none, or the conversation has it already. */
  readonly system?: string;
  /** JSON schemas of functions that the model may call. */
  readonly tools?: readonly object[];
  /** Of the chat template. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** @param first the conversation's first message */
export function readConversationFields(fields: Fields, first: ChatMessage | undefined): ConversationFields {
  for (const [name, reason] of Object.entries(refusedFields)) {
    if (saysSomething(fields.value(name))) fields.fail(`the field "${name}" ${reason}`);
  }
  const system = readSystem(fields);
  const tools = readTools(fields);
  const variables = readVariables(fields);
  return {
    ...(system !== "" && !isSystem(first, system, fields) && { system }),
    ...(tools && { tools }),
    ...(variables && { variables }),
  };
}

/** Of a row that is a text. */
export function checkNoConversation(fields: Fields): void {
  const name = conversationFields.find((field) => saysSomething(fields.value(field)));
  if (name !== undefined)
    fields.fail(`the field "${name}" is for conversations, not for texts; leave it out`);
}

/** The system message under either name; empty if there is none. */
function readSystem(fields: Fields): string {
  const [system, prompt] = [fields.optionalText("system"), fields.optionalText("system_prompt")];
  if (system !== "" && prompt !== "" && system !== prompt) {
    fields.fail('the fields "system" and "system_prompt" say different things; leave out one of them');
  }
  return system || prompt;
}

function isSystem(message: ChatMessage | undefined, system: string, fields: Fields): boolean {
  if (message?.role !== "system") return false;
  if (message.content === system) return true;
  return fields.fail(
    'the conversation has a system message of its own beside the field "system"; leave out one of them',
  );
}

function readTools(fields: Fields): readonly object[] | undefined {
  const value = fields.value("tools");
  if (value == null || value === "") return undefined;
  const tools = fields.list("tools");
  if (tools.every((tool): tool is object => typeof tool === "object" && tool !== null)) return tools;
  return fields.fail('the field "tools" is not a list of JSON schemas');
}

/** What a template is given by these names is the conversation's own. */
const reservedVariables = ["messages", "tools", "add_generation_prompt"];

function readVariables(fields: Fields): Readonly<Record<string, unknown>> | undefined {
  const given = fields.value("chat_template_kwargs");
  if (given == null || given === "") return undefined;
  const value = typeof given === "string" ? parseJsonText(given) : given;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return fields.fail('the field "chat_template_kwargs" is not an object of the template\'s variables');
  }
  const reserved = reservedVariables.find((name) => Object.hasOwn(value, name));
  if (reserved !== undefined) fields.fail(`the field "chat_template_kwargs" cannot set "${reserved}"`);
  return value as Record<string, unknown>;
}
