/** @file Functions that judge generated answers, which a task of the user names. */

import type { Judge } from "./task.ts";

export const judges: Readonly<Record<string, Judge>> = {
  /** Whether the last number in the answer is the last in the target: "so 1,200.0" equals "#### 1200". */
  same_number: (answer, target) => {
    const number = lastNumber(answer);
    return Number(number !== undefined && number === lastNumber(target));
  },
  /** Whether the target stands somewhere in the answer, in capitals or not. */
  contains_target: (answer, target) => Number(answer.toLowerCase().includes(target.toLowerCase())),
};

function lastNumber(text: string): number | undefined {
  const last = text.match(/-?\d[\d,]*(?:\.\d+)?|-?\.\d+/g)?.at(-1);
  return last === undefined ? undefined : Number(last.replaceAll(",", ""));
}
