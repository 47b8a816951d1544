/** @file How often something is done, asked for as a number. */

import { isMarked, renderTurns } from "../texts.ts";
import type { Formulation } from "./formulation.ts";
import { parseNumberAnswer } from "./number-answer.ts";
import { introduce } from "./prompt.ts";

/** The largest number that is one digit: in a larger one another would begin. */
const most = 9;

export const count: Formulation = {
  name: "count",
  description: "Asks how many turns of the text show it, from 0 to 9, and takes the level of that count.",
  counts: true,
  cases: (piece) => [piece],
  prompt: (asked, { question, speaker }, rubric) =>
    `${introduce(asked, rubric)}For how many turns${speaker === undefined ? "" : ` of the ${speaker}`} is the answer yes? ${question}\nAnswer with the number alone, from 0 to ${most}.`,
  solution: ({ turns }, dimension) =>
    String(Math.min(most, turns.filter((turn) => isMarked(dimension, turn)).length)),
  topic: ({ turns }) => renderTurns(turns),
  options: () => Array.from({ length: most + 1 }, (_, i) => String(i)),
  parse(text) {
    const number = parseNumberAnswer(text);
    return number === undefined ? undefined : Math.min(most, number);
  },
  find(_cases, [answer]) {
    const { chosen, probabilities } = answer!;
    if (chosen === undefined) return { least: 0, most: Number.POSITIVE_INFINITY, evidence: [] };
    return {
      ...{ least: chosen, most: chosen, evidence: [] },
      ...(probabilities && { distribution: probabilities }),
    };
  },
};
