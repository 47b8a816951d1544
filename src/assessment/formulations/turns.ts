/** @file Each turn by itself, with yes or no. */

import { sumOfIndependent } from "../distribution.ts";
import { isLookedAt, isMarked } from "../texts.ts";
import type { Formulation } from "./formulation.ts";
import { introduce } from "./prompt.ts";

const [yes, no] = ["Yes", "No"];

export const turns: Formulation = {
  name: "turns",
  description:
    "Asks at each turn, after those before it, whether it shows it, and takes the level of how often the answer is yes.",
  counts: true,
  cases: ({ turns, first }, dimension, lead = turns.length) =>
    turns.flatMap((turn, place) => {
      const start = Math.max(0, place - lead);
      return isLookedAt(dimension, turn)
        ? [{ turns: turns.slice(start, place + 1), first: first + start }]
        : [];
    }),
  prompt: (asked, { question }, rubric) =>
    `${introduce(asked, rubric)}Look at the last turn alone. ${question}\nAnswer ${yes} or ${no}.`,
  solution: ({ turns }, dimension) => (isMarked(dimension, turns.at(-1)!) ? yes : no),
  topic: ({ turns }) => turns.at(-1)!.text,
  options: () => [yes, no],
  parse(text) {
    const said = /^\W*(yes|no)\b/i.exec(text)?.[1]?.toLowerCase();
    return said === undefined ? undefined : said === "yes" ? 0 : 1;
  },
  find(cases, answers) {
    const judged = cases.map(({ turns, first }, i) => ({ turn: first + turns.length - 1, ...answers[i]! }));
    const found = judged.filter(({ chosen }) => chosen === 0);
    const known = judged.map(({ turn, probabilities }) => ({ turn, probability: probabilities?.[0] }));
    const read = known.flatMap(({ turn, probability }) =>
      probability === undefined ? [] : [{ turn, probability }],
    );
    const unread = judged.filter(({ chosen }) => chosen === undefined).length;
    return {
      least: found.length,
      most: found.length + unread,
      evidence: found.map(({ turn, probabilities }) => ({
        turn,
        ...(probabilities && { probability: probabilities[0]! }),
      })),
      ...(read.length === judged.length && {
        distribution: sumOfIndependent(read.map(({ probability }) => [1 - probability, probability])),
        turns: read,
      }),
    };
  },
};
