/** @file Rollouts that were made by hand. */

import type { JudgedRollout, RolloutGroup } from "./rollout.ts";

/** A solution by its tokens, whether it is right, and what else is to be said of it. */
type Made = readonly [tokens: number, correct: boolean, more?: Partial<JudgedRollout>];

/** One problem with these solutions, whose texts differ. */
export function makeGroup(problem: number, ...solutions: readonly Made[]): RolloutGroup {
  const question = `Tom has ${problem} pens and buys 4. How many pens has he?`;
  const gold = String(problem + 4);
  return solutions.map(([tokens, correct, more], sample) => {
    const answer = correct ? gold : "99";
    return {
      problem,
      id: String(problem + 1),
      question,
      gold,
      prompt: [{ role: "user", content: question }],
      sample,
      text: `Solution ${sample}: Tom has ${problem} and 4 pens.\n#### ${answer}`,
      tokens,
      truncated: false,
      answer,
      correct,
      ...more,
    };
  });
}

/** The same asked in plain text. */
export function inPlainText(group: RolloutGroup): RolloutGroup {
  return group.map((rollout) => ({
    ...rollout,
    prompt: `Question: ${rollout.question}\nAnswer:`,
    text: ` ${rollout.text}`,
  }));
}
