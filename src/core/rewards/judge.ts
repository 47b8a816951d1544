/** @file Whether an answer is right. */

import type { Rollout } from "./reward.ts";

/** Whether the last number of an answer is that of the right one. */
export function isCorrect({ text, problem }: Rollout): boolean {
  const [given, right] = [text, problem.answer].map(lastNumber);
  return given !== undefined && given === right;
}

/** Whether an answer says what of it is the result. */
export function marksAnswer({ text }: Rollout): boolean {
  return /####\s*\S|\\boxed\s*\{|\banswer is\b/i.test(text);
}

function lastNumber(text: string): number | undefined {
  const last = text.match(/-?\d[\d,]*(?:\.\d+)?/g)?.at(-1);
  return last === undefined ? undefined : Number(last.replaceAll(",", ""));
}
