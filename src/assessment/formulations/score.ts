/** @file The level, asked for directly. */

import { isCounted, levelOf } from "../rubric.ts";
import { isMarked, renderTurns } from "../texts.ts";
import type { Formulation } from "./formulation.ts";
import { parseNumberAnswer } from "./number-answer.ts";
import { introduce } from "./prompt.ts";

export const score: Formulation = {
  name: "score",
  description: "Asks for the level of the text by the rubric's scale.",
  counts: false,
  cases: (piece) => [piece],
  prompt: (asked, { question, levels }, rubric) =>
    `${introduce(asked, rubric)}${question} Rate it by this scale:\n${levels
      .map(({ level, description }) => `${level}: ${description}`)
      .join("\n")}\nAnswer with the number alone.`,
  solution: ({ turns }, dimension) =>
    String(levelOf(dimension, turns.filter((turn) => isMarked(dimension, turn)).length)),
  topic: ({ turns }) => renderTurns(turns),
  options: ({ levels }) => levels.map(({ level }) => String(level)),
  parse(text, { levels }) {
    const place = levels.findIndex(({ level }) => level === parseNumberAnswer(text));
    return place < 0 ? undefined : place;
  },
  find(_cases, [answer], dimension) {
    const { levels } = dimension;
    const places = levels.map(({ counts }, place) => (isCounted(dimension) ? counts!.least : place));
    const { chosen, probabilities } = answer!;
    if (chosen === undefined) {
      const most = isCounted(dimension) ? Number.POSITIVE_INFINITY : levels.length - 1;
      return { least: 0, most, evidence: [] };
    }
    const distribution = new Array<number>(places.at(-1)! + 1).fill(0);
    for (const [i, p] of (probabilities ?? []).entries()) distribution[places[i]!] = p;
    const [least, most] = [places[chosen]!, places[chosen]!];
    return { least, most, ...(probabilities && { distribution }), evidence: [] };
  },
};
