/** @file Prompts: description, examples and question put together as lm-evaluation-harness 0.4.12 does. */

import { endsWithSpace, startsWithSpace } from "../core/python/text.ts";
import type { LanguageModel } from "./language-model.ts";

/** A question with its answer, before the one that is asked. */
export interface Shot {
  readonly question: string;
  /** With "", the example has no turn for the answer, nor delimiters. */
  readonly answer: string;
}

export interface PromptParts {
  /** System instruction and the task's description, joined by `joinSystem`; may be "". */
  readonly system: string;
  readonly shots: readonly Shot[];
  /** Between an example's question and its answer. */
  readonly targetDelimiter: string;
  /** After an example. */
  readonly fewshotDelimiter: string;
  readonly question: string;
}

/** How prompts become conversations in the model's chat template. */
export interface ChatFormat {
  readonly apply: LanguageModel["applyChatTemplate"];
  /** Whether examples are turns; else they stand before the question in the one user's message. */
  readonly asMultiturn: boolean;
}

interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
  /** Follows the content where messages are joined to one text. */
  readonly delimiter: string;
}

/** The text that a model is given: what it is to go on with. */
export function assemblePrompt(parts: PromptParts, chat: ChatFormat | undefined): string {
  const system: Message[] = parts.system ? [{ role: "system", content: parts.system, delimiter: "" }] : [];
  const turns: Message[] = [
    ...parts.shots.flatMap((shot) => shotTurns(shot, parts)),
    { role: "user", content: parts.question, delimiter: "" },
  ];
  if (!chat) return joinTurns([...system, ...turns]);
  const user: Message = { role: "user", content: joinTurns(turns), delimiter: "" };
  const messages = [...system, ...(chat.asMultiturn ? turns : [user])];
  return chat.apply(messages.map(({ role, content }) => ({ role, content })));
}

function shotTurns(
  { question, answer }: Shot,
  { targetDelimiter, fewshotDelimiter }: PromptParts,
): Message[] {
  if (answer === "") return [{ role: "user", content: question, delimiter: "" }];
  return [
    { role: "user", content: question, delimiter: targetDelimiter },
    { role: "assistant", content: answer, delimiter: fewshotDelimiter },
  ];
}

function joinTurns(messages: readonly Message[]): string {
  return messages.map(({ content, delimiter }) => content + delimiter).join("");
}

/** Puts the delimiter between two texts unless one is empty or there is whitespace where they meet. */
export function joinSystem(instruction: string, description: string, delimiter: string): string {
  if (!instruction || !description) return instruction || description;
  const isDelimited = endsWithSpace(instruction) || startsWithSpace(description);
  return instruction + (isDelimited ? "" : delimiter) + description;
}
