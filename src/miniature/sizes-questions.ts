/** @file Word problems of two kinds, with GSM8K's annotations: small numbers, which a miniature model can reckon with, and large ones. */

import { between, pick } from "./drawing.ts";
import { drawProblem, GAIN, type Kind, LOSS, type Step } from "./math-questions.ts";
import type { DrawItem } from "./questions.ts";
import { BELONGINGS } from "./world.ts";

const PRICES: Kind = {
  operators: ["*"],
  drawNumbers: (random) => [between(random, 11, 29), between(random, 3, 9)],
  table: BELONGINGS,
  wordings: {
    train: [
      (s) => `One ${s.things.one} costs ${s.a} cents. How many cents do ${s.b} ${s.things.many} cost?`,
      (s) =>
        `${s.who} sells ${s.b} ${s.things.many} for ${s.a} cents each. How many cents does ${s.they} get?`,
      (s) => `A shop asks ${s.a} cents for a ${s.things.one}. ${s.who} buys ${s.b}. How many cents is that?`,
      (s) =>
        `${s.who} buys ${s.b} ${s.things.many} and pays ${s.a} cents for each of them. How many cents is that in all?`,
      (s) =>
        `For ${s.a} cents there is one ${s.things.one}. How many cents does ${s.who} pay for ${s.b} ${s.things.many}?`,
    ],
    "held-out": [
      (s) => `A ${s.things.one} costs ${s.a} cents. How many cents does ${s.who} pay for ${s.b} of them?`,
    ],
  },
};

/** One annotated line per operator, and `#### result`. */
function writeAnnotated(steps: readonly Step[]): string {
  const lines = steps.map(
    ({ left, operator, right, result }) =>
      `${left} ${operator} ${right} = <<${left}${operator}${right}=${result}>>${result}\n`,
  );
  return `${lines.join("")}#### ${steps.at(-1)!.result}`;
}

/** Draws a word problem, every other one with large numbers; its key is the calculation. */
export const drawSizesItem: DrawItem = (random, split) => {
  const kinds = pick(random, [[GAIN, LOSS], [PRICES]]);
  const { steps, question, key } = drawProblem(random, split, kinds);
  return { key, question, answer: writeAnnotated(steps), wrongAnswers: [] };
};
