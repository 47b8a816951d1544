/** @file What rules give: rows that `tune` reads as they are, and what was left out. */

import type { JudgedRollout, RolloutGroup } from "../rollout.ts";

/** A prompt as the model was asked it. */
export type RolloutPrompt = JudgedRollout["prompt"];

/** A solution to imitate. */
export interface CompletionRow {
  readonly prompt: RolloutPrompt;
  readonly completion: RolloutPrompt;
  /** How much the row counts. Default 1. */
  readonly weight?: number;
}

/** A better solution and a worse one. */
export interface PairRow {
  readonly prompt: RolloutPrompt;
  readonly chosen: RolloutPrompt;
  readonly rejected: RolloutPrompt;
}

export interface Selection<Row> {
  readonly rows: readonly Row[];
  /** Row by row the solution that is to be imitated, as the model wrote it. */
  readonly solutions: readonly JudgedRollout[];
  /** What nothing was taken of: how many problems or solutions, by the reason. */
  readonly leftOut: Readonly<Record<string, number>>;
}

/**
 * A solution in the form of its prompt.
 *
 * @param text default: the solution's own
 */
export function answerOf({ prompt, text: own }: JudgedRollout, text = own): RolloutPrompt {
  return typeof prompt === "string" ? text : [{ role: "assistant", content: text }];
}

/** The prompt with another text in place of the question and what stands under it. */
export function rephrase({ prompt }: JudgedRollout, change: (asked: string) => string): RolloutPrompt {
  if (typeof prompt === "string") {
    const cue = /\nAnswer:$/.exec(prompt)?.[0] ?? "";
    return change(prompt.slice(0, prompt.length - cue.length)) + cue;
  }
  const last = prompt.findLastIndex(({ role }) => role === "user");
  return prompt.map((message, i) =>
    i === last ? { ...message, content: change(message.content) } : message,
  );
}

/**
 * Right solutions that came to their end: of one that was cut, the model would learn to stop in its middle.
 *
 * @returns the shortest first, and of equally long ones the first
 */
export function rightSolutions(group: RolloutGroup): readonly JudgedRollout[] {
  return group
    .filter(({ correct, truncated }) => correct && !truncated)
    .sort((a, b) => a.tokens - b.tokens || a.sample - b.sample);
}

/** Gathers a selection, row by row. */
export function createSelection<Row>() {
  const rows: Row[] = [];
  const solutions: JudgedRollout[] = [];
  const leftOut: Record<string, number> = {};
  return {
    take(solution: JudgedRollout, row: Row) {
      solutions.push(solution);
      rows.push(row);
    },
    leaveOut(reason: string, count = 1) {
      if (count > 0) leftOut[reason] = (leftOut[reason] ?? 0) + count;
    },
    selection: { rows, solutions, leftOut } as Selection<Row>,
  };
}
