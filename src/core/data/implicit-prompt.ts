/** @file The prompt of a preference that gives it only as the common beginning of both sides. Source: TRL's `extract_prompt`. */

import { formatJson } from "../python/json.ts";
import type { ChatMessage } from "../tokenization/chat-template.ts";

/**
 * How many units of both sides are the prompt: those before the first that differs. Where one side is the beginning of the
 * other, its last unit belongs to the answers, so that none is empty.
 */
function commonLength<Unit>(
  chosen: readonly Unit[],
  rejected: readonly Unit[],
  areEqual: (a: Unit, b: Unit) => boolean,
): number {
  const shorter = Math.min(chosen.length, rejected.length);
  const differs = chosen.slice(0, shorter).findIndex((unit, i) => !areEqual(unit, rejected[i]!));
  return differs < 0 ? Math.max(0, shorter - 1) : differs;
}

/**
 * The common beginning of two texts, of which a space at its end belongs to the answers.
 *
 * @returns its length in UTF-16 units, which does not divide a character
 */
export function implicitPromptOfTexts(chosen: string, rejected: string): number {
  const characters = Array.from(chosen);
  const others = Array.from(rejected);
  const length = commonLength(characters, others, Object.is);
  const differs = characters[length] !== others[length];
  const prompt = characters.slice(0, differs && characters[length - 1] === " " ? length - 1 : length);
  return prompt.join("").length;
}

/** The number of messages with which both conversations begin. */
export function implicitPromptOfMessages(
  chosen: readonly ChatMessage[],
  rejected: readonly ChatMessage[],
): number {
  return commonLength(chosen, rejected, isSame);
}

/** Whether two values of JSON are the same, whatever the order of their keys. */
function isSame(a: unknown, b: unknown): boolean {
  return formatJson(a, { sortKeys: true }) === formatJson(b, { sortKeys: true });
}
