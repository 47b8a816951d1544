/** @file Questions about computing: tiny programs, stacks and queues, bits and bytes, lists, and logic. */

import type { Random } from "../core/random.ts";
import { between, pick } from "./drawing.ts";
import type { DrawItem, Wordings } from "./questions.ts";
import { COLOURS, VARIABLES } from "./world.ts";

const PROGRAM_WORDINGS: Wordings<{ program: string; variable: string }> = {
  train: [
    (s) => `What does this program print?\n${s.program}\nprint(${s.variable})`,
    (s) => `Here is a program:\n${s.program}\nWhat is the value of ${s.variable}?`,
    (s) => `What is ${s.variable} at the end of this program?\n${s.program}`,
  ],
  "held-out": [
    (s) => `This program runs:\n${s.program}\nWhat is ${s.variable} now?`,
    (s) => `What value does this program print?\n${s.program}\nprint(${s.variable})`,
  ],
};

const drawProgram: DrawItem = (random, split) => {
  const variable = pick(random, VARIABLES);
  const start = between(random, 2, 9);
  const change = between(random, 1, start);
  const operator = pick(random, ["+", "-"]);
  const end = operator === "+" ? start + change : start - change;
  const answerWith = (value: number) =>
    `${variable} starts at ${start} and ends at ${value}. The value is ${value}.`;
  const program = `${variable} = ${start}\n${variable} = ${variable} ${operator} ${change}`;
  return {
    key: `program ${start} ${operator} ${change}`,
    question: pick(random, PROGRAM_WORDINGS[split])({ program, variable }),
    answer: answerWith(end),
    wrongAnswers: [end - 2, end - 1, end + 1, end + 2].filter((value) => value >= 0).map(answerWith),
  };
};

/** Three different colours, the names of what is stored in stacks, queues and lists. */
function drawColours(random: Random): string[] {
  const rest = [...COLOURS];
  return Array.from({ length: 3 }, () => rest.splice(random.below(rest.length), 1)[0]!);
}

function without<T>(values: readonly T[], index: number): T[] {
  return values.filter((_, i) => i !== index);
}

const STORE_WORDINGS: Wordings<{ store: string; colours: readonly string[] }> = {
  train: [
    ({ store, colours: [a, b, c] }) => `We put ${a}, ${b} and ${c} on a ${store}. Which comes out first?`,
    ({ store, colours: [a, b, c] }) => `A ${store} gets ${a}, then ${b}, then ${c}. What comes out first?`,
  ],
  "held-out": [
    ({ store, colours: [a, b, c] }) =>
      `First ${a}, then ${b}, then ${c} go on a ${store}. Which one comes out first?`,
  ],
};

const drawStore: DrawItem = (random, split) => {
  const store = pick(random, ["stack", "queue"]);
  const colours = drawColours(random);
  const [place, index] = store === "stack" ? ["last", 2] : ["first", 0];
  const answerWith = (colour: string) =>
    `A ${store} gives back the ${place} one in. The first out is ${colour}.`;
  return {
    key: `${store} ${colours.join(" ")}`,
    question: pick(random, STORE_WORDINGS[split])({ store, colours }),
    answer: answerWith(colours[index]!),
    wrongAnswers: without(colours, index).map(answerWith),
  };
};

const LIST_WORDINGS: Wordings<{ list: string; index: number }> = {
  train: [
    (s) => `The list a is ${s.list}. What is a[${s.index}]?`,
    (s) => `What does this program print?\na = ${s.list}\nprint(a[${s.index}])`,
  ],
  "held-out": [(s) => `Here is a program:\na = ${s.list}\nWhat is the value of a[${s.index}]?`],
};

const drawListElement: DrawItem = (random, split) => {
  const colours = drawColours(random);
  const index = random.below(3);
  const answerWith = (colour: string) => `Counting starts at 0. The element is ${colour}.`;
  return {
    key: `list ${colours.join(" ")} ${index}`,
    question: pick(random, LIST_WORDINGS[split])({ list: `[${colours.join(", ")}]`, index }),
    answer: answerWith(colours[index]!),
    wrongAnswers: without(colours, index).map(answerWith),
  };
};

const BINARY_WORDINGS: Wordings<{ number: number }> = {
  train: [(s) => `What is ${s.number} in binary?`, (s) => `How does a computer write ${s.number} in bits?`],
  "held-out": [(s) => `Which bits are the number ${s.number}?`],
};

const drawBinary: DrawItem = (random, split) => {
  const number = between(random, 0, 31);
  const answerWith = (value: number) => `The bits are ${value.toString(2)}.`;
  return {
    key: `binary ${number}`,
    question: pick(random, BINARY_WORDINGS[split])({ number }),
    answer: answerWith(number),
    wrongAnswers: [1, 2, 4].map((bit) => answerWith(number ^ bit)),
  };
};

const LOGIC_WORDINGS: Wordings<{ left: boolean; right: boolean; operator: string }> = {
  train: [
    (s) => `a is ${s.left} and b is ${s.right}. What is a ${s.operator} b?`,
    (s) => `What is the value of ${s.left} ${s.operator} ${s.right}?`,
  ],
  "held-out": [(s) => `What does a computer make of ${s.left} ${s.operator} ${s.right}?`],
};

const drawLogic: DrawItem = (random, split) => {
  const left = random.below(2) === 1;
  const right = random.below(2) === 1;
  const operator = pick(random, ["and", "or"]);
  const value = operator === "and" ? left && right : left || right;
  const answerWith = (result: boolean) => `${left} ${operator} ${right} is ${result}.`;
  return {
    key: `logic ${left} ${operator} ${right}`,
    question: pick(random, LOGIC_WORDINGS[split])({ left, right, operator }),
    answer: answerWith(value),
    wrongAnswers: [answerWith(!value)],
  };
};

/** Draws a question about computing; its key is the program, store, list, number or expression asked about. */
export const drawComputingItem: DrawItem = (random, split) =>
  pick(random, [drawProgram, drawProgram, drawStore, drawListElement, drawBinary, drawLogic])(random, split);
