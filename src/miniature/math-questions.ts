/** @file Word problems with small numbers, answered like GSM8K: one line per calculation, then `#### result`. */

import type { Random } from "../core/random.ts";
import { between, pick, pickTwo, type Split } from "./drawing.ts";
import type { DrawItem, Wordings } from "./questions.ts";
import { CONTAINERS, COUNTABLES, type Countable, capitalized, counted, FOODS, PEOPLE } from "./world.ts";

/** What a word problem speaks of; `a`, `b` and `c` are the numbers of the calculation, in its order. */
interface Scene {
  who: string;
  other: string;
  they: string;
  They: string;
  things: Countable;
  container: Countable;
  a: number;
  b: number;
  c: number;
}

function drawScene(random: Random, table: readonly Countable[], numbers: readonly number[]): Scene {
  const [person, other] = pickTwo(random, PEOPLE);
  return {
    who: person.name,
    other: other.name,
    they: person.they,
    They: capitalized(person.they),
    things: pick(random, table),
    container: pick(random, CONTAINERS),
    a: numbers[0]!,
    b: numbers[1]!,
    c: numbers[2] ?? 0,
  };
}

type Operator = "+" | "-" | "*" | "/";

const APPLY: Record<Operator, (left: number, right: number) => number> = {
  "+": (left, right) => left + right,
  "-": (left, right) => left - right,
  "*": (left, right) => left * right,
  "/": (left, right) => left / right,
};

const INVERSE: Record<Operator, Operator> = { "+": "-", "-": "+", "*": "/", "/": "*" };

/** A kind of problem: numbers joined by operators, calculated from left to right. */
export interface Kind {
  operators: readonly Operator[];
  drawNumbers: (random: Random) => number[];
  table: readonly Countable[];
  wordings: Wordings<Scene>;
}

/** A line of a calculation. */
export interface Step {
  left: number;
  operator: Operator;
  right: number;
  result: number;
}

/** The calculation of `numbers` from left to right. */
function calculate(numbers: readonly number[], operators: readonly Operator[]): Step[] {
  let left = numbers[0]!;
  return operators.map((operator, i) => {
    const right = numbers[i + 1]!;
    const step = { left, operator, right, result: APPLY[operator](left, right) };
    left = step.result;
    return step;
  });
}

const writeStep = ({ left, operator, right, result }: Step): string =>
  `${left} ${operator} ${right} = ${result}\n`;

/** One line per operator, and `#### result`. */
function writeWorking(steps: readonly Step[]): string {
  return `${steps.map(writeStep).join("")}#### ${steps.at(-1)!.result}`;
}

/** The same with words before it and up to two checks of each line by its inverse, as a model that thinks too much would write it. */
function writeThinking(random: Random, numbers: readonly number[], steps: readonly Step[]): string {
  const checks = random.below(3);
  const opening = checks === 0 ? "" : `There are ${numbers.join(" and ")}.\n`;
  const checked = steps.map((step) => {
    const { left, operator, right, result } = step;
    const inverse = writeStep({ left: result, operator: INVERSE[operator], right, result: left });
    return writeStep(step) + `So it is ${result}. ${inverse}`.repeat(checks);
  });
  return `${opening}${checked.join("")}#### ${steps.at(-1)!.result}`;
}

export const GAIN: Kind = {
  operators: ["+"],
  drawNumbers: (random) => [between(random, 2, 12), between(random, 1, 9)],
  table: COUNTABLES,
  wordings: {
    train: [
      (s) =>
        `${s.who} has ${counted(s.a, s.things)}. ${s.They} finds ${s.b} more. How many ${s.things.many} does ${s.who} have now?`,
      (s) =>
        `There are ${counted(s.a, s.things)} in a ${s.container.one}. ${s.who} puts ${s.b} more in. How many ${s.things.many} are in the ${s.container.one}?`,
      (s) =>
        `${s.who} has ${counted(s.a, s.things)} and ${s.other} has ${s.b}. How many ${s.things.many} do they have together?`,
      (s) =>
        `${s.who} got ${counted(s.a, s.things)} in the morning and ${s.b} more in the evening. How many ${s.things.many} did ${s.they} get in all?`,
      (s) =>
        `There were ${counted(s.a, s.things)} on the table. ${s.other} brought ${s.b} more. How many ${s.things.many} are there now?`,
      (s) =>
        `${s.who} had ${counted(s.a, s.things)}, then got ${s.b} more. How many ${s.things.many} are there in all?`,
      (s) =>
        `One child has ${counted(s.a, s.things)} and another has ${s.b}. How many ${s.things.many} is that?`,
    ],
    "held-out": [
      (s) =>
        `${s.who} had ${counted(s.a, s.things)}. Then ${s.other} gave ${s.who} ${s.b} more. How many ${s.things.many} has ${s.who} now?`,
      (s) =>
        `One ${s.container.one} has ${counted(s.a, s.things)} in it and another has ${s.b}. How many ${s.things.many} are there in all?`,
    ],
  },
};

export const LOSS: Kind = {
  operators: ["-"],
  drawNumbers: (random) => {
    const start = between(random, 3, 20);
    return [start, between(random, 1, Math.min(start - 1, 9))];
  },
  table: FOODS,
  wordings: {
    train: [
      (s) =>
        `${s.who} has ${counted(s.a, s.things)}. ${s.They} eats ${s.b}. How many ${s.things.many} are left?`,
      (s) =>
        `${s.who} had ${counted(s.a, s.things)} and gave ${s.b} to ${s.other}. How many ${s.things.many} does ${s.who} have now?`,
      (s) =>
        `There are ${counted(s.a, s.things)} in a ${s.container.one}. ${s.who} takes ${s.b} out. How many ${s.things.many} are left in the ${s.container.one}?`,
      (s) =>
        `${s.who} has ${counted(s.a, s.things)} and ${s.other} has ${s.b}. How many more ${s.things.many} does ${s.who} have?`,
      (s) =>
        `There were ${counted(s.a, s.things)} on the table. ${s.who} ate ${s.b} of them. How many ${s.things.many} are there now?`,
      (s) =>
        `${s.who} has ${counted(s.a, s.things)}, and then ${s.they} loses ${s.b}. How many ${s.things.many} has ${s.who} left?`,
    ],
    "held-out": [
      (s) =>
        `${s.who} had ${counted(s.a, s.things)} and lost ${s.b} of them. How many ${s.things.many} are left?`,
      (s) =>
        `A ${s.container.one} had ${counted(s.a, s.things)} in it. ${s.who} and ${s.other} ate ${s.b}. How many ${s.things.many} are in it now?`,
    ],
  },
};

const GROUPS: Kind = {
  operators: ["*"],
  drawNumbers: (random) => [between(random, 2, 6), between(random, 2, 6)],
  table: COUNTABLES,
  wordings: {
    train: [
      (s) =>
        `${s.who} has ${counted(s.a, s.container)} with ${counted(s.b, s.things)} in each. How many ${s.things.many} does ${s.they} have?`,
      (s) =>
        `${s.who} gets ${counted(s.b, s.things)} every day. How many ${s.things.many} does ${s.they} have after ${s.a} days?`,
      (s) =>
        `There are ${s.a} children. ${s.who} gives each of them ${counted(s.b, s.things)}. How many ${s.things.many} is that in all?`,
      (s) =>
        `${counted(s.a, s.container)} are on the table. In each there are ${counted(s.b, s.things)}. How many ${s.things.many} are there in all?`,
      (s) =>
        `There are ${s.a} children. Each has ${counted(s.b, s.things)}. How many ${s.things.many} do they have together?`,
    ],
    "held-out": [
      (s) =>
        `There are ${counted(s.a, s.container)}. Each ${s.container.one} has ${counted(s.b, s.things)} in it. How many ${s.things.many} are there?`,
    ],
  },
};

const SHARES: Kind = {
  operators: ["/"],
  drawNumbers: (random) => {
    const groups = between(random, 2, 6);
    return [groups * between(random, 2, 6), groups];
  },
  table: COUNTABLES,
  wordings: {
    train: [
      (s) =>
        `${s.who} shares ${counted(s.a, s.things)} between ${s.b} children. How many ${s.things.many} does each of them get?`,
      (s) =>
        `${s.who} puts ${counted(s.a, s.things)} into ${counted(s.b, s.container)}, the same number in each. How many ${s.things.many} are in each ${s.container.one}?`,
      (s) =>
        `${s.a} ${s.things.many} are for ${s.b} children. How many ${s.things.many} are there for each child?`,
      (s) =>
        `There are ${counted(s.a, s.things)}. ${s.who} puts the same number in each of ${counted(s.b, s.container)}. How many ${s.things.many} does each ${s.container.one} get?`,
    ],
    "held-out": [
      (s) =>
        `There are ${counted(s.a, s.things)} for ${s.b} children. Each gets the same number. How many ${s.things.many} does each child get?`,
    ],
  },
};

const GAIN_THEN_LOSS: Kind = {
  operators: ["+", "-"],
  drawNumbers: (random) => {
    const start = between(random, 2, 9);
    const gained = between(random, 2, 9);
    return [start, gained, between(random, 1, Math.min(start + gained - 1, 9))];
  },
  table: FOODS,
  wordings: {
    train: [
      (s) =>
        `${s.who} has ${counted(s.a, s.things)}. ${s.They} finds ${s.b} more and eats ${s.c}. How many ${s.things.many} are left?`,
      (s) =>
        `There are ${counted(s.a, s.things)} in a ${s.container.one}. ${s.who} puts ${s.b} more in, and ${s.other} takes ${s.c} out. How many ${s.things.many} are in the ${s.container.one}?`,
      (s) =>
        `${s.who} got ${counted(s.a, s.things)} in the morning and ${s.b} more in the evening. Then ${s.they} gave ${s.c} to ${s.other}. How many ${s.things.many} has ${s.who} now?`,
    ],
    "held-out": [
      (s) =>
        `${s.who} had ${counted(s.a, s.things)}, then got ${s.b} more and gave ${s.c} to ${s.other}. How many ${s.things.many} does ${s.who} have now?`,
    ],
  },
};

const GROUPS_THEN_LOSS: Kind = {
  operators: ["*", "-"],
  drawNumbers: (random) => {
    const groups = between(random, 2, 5);
    const size = between(random, 2, 5);
    return [groups, size, between(random, 1, Math.min(groups * size - 1, 9))];
  },
  table: FOODS,
  wordings: {
    train: [
      (s) =>
        `${s.who} has ${counted(s.a, s.container)} with ${counted(s.b, s.things)} in each. ${s.They} eats ${s.c}. How many ${s.things.many} are left?`,
      (s) =>
        `${s.who} gets ${counted(s.b, s.things)} every day for ${s.a} days and gives ${s.c} to ${s.other}. How many ${s.things.many} does ${s.who} have now?`,
      (s) =>
        `${s.who} has ${counted(s.a, s.container)}. Each has ${counted(s.b, s.things)} in it. ${s.They} takes ${s.c} of them. How many ${s.things.many} are left?`,
    ],
    "held-out": [
      (s) =>
        `There are ${counted(s.a, s.container)} with ${counted(s.b, s.things)} in each. ${s.who} takes ${s.c} out. How many ${s.things.many} are left?`,
    ],
  },
};

const KINDS: readonly Kind[] = [GAIN, LOSS, GROUPS, SHARES, GAIN_THEN_LOSS, GROUPS_THEN_LOSS];

export interface Problem {
  numbers: readonly number[];
  steps: readonly Step[];
  question: string;
  key: string;
}

export function drawProblem(random: Random, split: Split, kinds: readonly Kind[]): Problem {
  const kind = pick(random, kinds);
  const numbers = kind.drawNumbers(random);
  const scene = drawScene(random, kind.table, numbers);
  return {
    numbers,
    steps: calculate(numbers, kind.operators),
    question: pick(random, kind.wordings[split])(scene),
    key: numbers.map((number, i) => (i === 0 ? `${number}` : ` ${kind.operators[i - 1]} ${number}`)).join(""),
  };
}

/** Draws a word problem; its key is the calculation, such as `3 * 4 - 2`. */
export const drawMathItem: DrawItem = (random, split) => {
  const { steps, question, key } = drawProblem(random, split, KINDS);
  return { key, question, answer: writeWorking(steps), wrongAnswers: [] };
};

/** The same problems, answered with up to two checks of each line. */
export const drawThinkingItem: DrawItem = (random, split) => {
  const { numbers, steps, question, key } = drawProblem(random, split, KINDS);
  return { key, question, answer: writeThinking(random, numbers, steps), wrongAnswers: [] };
};
