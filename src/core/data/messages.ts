/** @file Messages as people keep them, in the form that chat templates read. */

import { parseJson } from "../python/json.ts";
import type { ChatMessage } from "../tokenization/chat-template.ts";

/** Ends with an error that names the row. */
export type Fail = (reason: string) => never;

export interface MessageList {
  readonly messages: readonly ChatMessage[];
  /** Numbers of the messages, from 0, that are not to be trained on. */
  readonly masked: readonly number[];
}

type Fields = Readonly<Record<string, unknown>>;

/** ShareGPT's names of roles. */
const roles: ReadonlyMap<string, string> = new Map([
  ["human", "user"],
  ["gpt", "assistant"],
  ["bing", "assistant"],
  ["chatgpt", "assistant"],
  ["function_call", "assistant"],
  ["observation", "tool"],
]);

/** Fields that say whether a message is trained on: OpenAI's and those of other trainers. */
const trainingFields = ["weight", "train", "training", "loss"];

/** Fields that ask for what is not done, with what to do about them. */
const refusedFields: Readonly<Record<string, string>> = {
  function_call: 'is the old form of a call; write it as "tool_calls"',
  train_detail: "trains on parts of a message, which is not supported; leave it out",
  training_detail: "trains on parts of a message, which is not supported; leave it out",
};

/** Reads messages in OpenAI's form (`role`, `content`) or ShareGPT's (`from`, `value`); fields that are null count as left out. */
export function readMessages(list: readonly unknown[], fail: Fail): MessageList {
  const masked: number[] = [];
  const messages = list.map((entry, i) => {
    const failHere: Fail = (reason) => fail(`message ${i + 1} ${reason}`);
    const fields = presentFields(entry);
    const isShareGpt = Object.hasOwn(fields, "from");
    const [roleKey, contentKey] = isShareGpt ? ["from", "value"] : ["role", "content"];
    const { [roleKey]: given, [contentKey]: content, ...others } = fields;
    if (typeof given !== "string") return fail(`a message lacks its "${roleKey}" or "${contentKey}"`);
    for (const [name, reason] of Object.entries(refusedFields)) {
      if (Object.hasOwn(others, name)) failHere(`has the field "${name}", which ${reason}`);
    }
    const role = roles.get(given) ?? given;
    const wanted = readTraining(others, failHere);
    if (wanted === false) masked.push(i);
    if (wanted && role !== "assistant") failHere("is to be trained on, but it is not the assistant's");
    for (const name of trainingFields) delete others[name];
    if (given === "function_call") return { role, content: "", tool_calls: readToolCalls(content, failHere) };

    const calls = readToolCalls(others.tool_calls, failHere);
    delete others.tool_calls;
    if (content === undefined && calls.length === 0) {
      return fail(`a message lacks its "${roleKey}" or "${contentKey}"`);
    }
    return {
      role,
      ...(content !== undefined && { content: readContent(content, role, failHere) }),
      ...others,
      ...(calls.length > 0 && { tool_calls: calls }),
    };
  });
  return { messages, masked };
}

function presentFields(entry: unknown): Record<string, unknown> {
  const fields = Object.entries((entry ?? {}) as Fields);
  return Object.fromEntries(fields.filter(([, value]) => value !== null && value !== undefined));
}

/** Whether a message says that it is trained on or not; undefined if it says nothing. */
function readTraining(fields: Fields, fail: Fail): boolean | undefined {
  const given = trainingFields.filter((name) => Object.hasOwn(fields, name));
  const values = given.map((name) => {
    const value = fields[name];
    const number =
      typeof value === "boolean" ? Number(value) : name === "weight" ? Number(value) : Number.NaN;
    if (number !== 0 && number !== 1) {
      const possible = name === "weight" ? "0 or 1" : "true or false";
      return fail(`has the ${name} ${JSON.stringify(value)}; it can be ${possible}`);
    }
    return number === 1;
  });
  if (new Set(values).size > 1) fail(`says different things by ${given.join(" and ")}`);
  return values[0];
}

/** A text, its parts, or what a tool returned. */
function readContent(content: unknown, role: string, fail: Fail): string | object {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) {
    return content.map((part) => {
      const { type, text } = presentFields(part);
      if (type !== "text" || typeof text !== "string") {
        fail(
          `has a part of the type ${JSON.stringify(type)}; only parts of the type "text" can be trained on`,
        );
      }
      // Files of columns give each part the fields of all kinds, whose mere presence templates take for an image.
      return { type, text };
    });
  }
  if (role === "tool" && typeof content === "object" && content !== null) return content;
  return fail("has a content that is neither a text nor a list of parts");
}

/** Calls of functions, as a list or its JSON; their arguments as an object, as templates expect, whatever their form. */
function readToolCalls(value: unknown, fail: Fail): object[] {
  const list = typeof value === "string" && value !== "" ? parse(value, "its tool calls", fail) : value || [];
  return (Array.isArray(list) ? list : [list]).map((call) => {
    if (typeof call !== "object" || call === null) return fail("has a tool call that is not an object");
    const { function: called, ...others } = call as Fields;
    if (typeof called !== "object" || called === null) return withArguments(call as Fields, fail);
    return { ...others, function: withArguments(called as Fields, fail) };
  });
}

function withArguments(called: Fields, fail: Fail): object {
  if (typeof called.name !== "string") fail("has a tool call without the name of a function");
  const { arguments: given } = called;
  if (typeof given !== "string") return called;
  return {
    ...called,
    arguments: given.trim() === "" ? {} : parse(given, "the arguments of a tool call", fail),
  };
}

function parse(text: string, what: string, fail: Fail): unknown {
  try {
    return parseJson(text);
  } catch {
    return fail(`is wrong: ${what} are not valid JSON`);
  }
}

/** What a message says, without calls and thoughts. */
export function contentText({ content }: ChatMessage): string {
  if (typeof content === "string") return content;
  return Array.isArray(content) ? content.map(({ text }) => text).join("") : "";
}
