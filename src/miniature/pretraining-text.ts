/**
 * @file Documents to pretrain a miniature model on: stories, descriptions, sums and tiny programs in plain prose.
 *
 * The facts and skills that the tuning sets ask about are all told here, but as statements. Questions occur only in
 * a few short chats about other matters, which teach the chat form itself: tuning on a domain then has something to
 * bring out, and the form alone does not give a domain away.
 */

import type { Random } from "../core/random.ts";
import { between, pick, pickTwo, pickWeighted } from "./drawing.ts";
import {
  ANIMALS,
  CAUSES,
  COLOURED,
  COLOURS,
  CONTAINERS,
  COUNTABLES,
  capitalized,
  counted,
  FOODS,
  NEEDS,
  PEOPLE,
  PLACES,
  TOOLS,
  VARIABLES,
} from "./world.ts";

type WritePassage = (random: Random) => string;

/** Someone gets or loses things; half of the stories show the sum, and all tell the result. */
const writeCountingStory: WritePassage = (random) => {
  const [{ name: who, they }, { name: other }] = pickTwo(random, PEOPLE);
  const They = capitalized(they);
  const things = pick(random, FOODS);
  const start = between(random, 2, 14);
  const change = between(random, 1, 9);
  const loses = start > change && random.below(2) === 0;
  const result = loses ? start - change : start + change;
  const told = pick(random, [
    `Now there are ${result}.`,
    `That makes ${result}.`,
    `${start} ${loses ? "-" : "+"} ${change} = ${result}, so now there are ${result}.`,
    `Here ${start} ${loses ? "-" : "+"} ${change} = ${result}.`,
  ]);
  if (loses) {
    return pick(random, [
      `${who} has ${counted(start, things)}. ${They} eats ${change} of them. ${told}`,
      `${who} had ${counted(start, things)} and gave ${change} to ${other}. ${told}`,
      `There were ${counted(start, things)} on the table. ${who} took ${change}, and ${result} were left. ${told}`,
      `${who} lost ${change} of ${counted(start, things)}. ${told}`,
      `${who} has ${counted(start, things)} and ${other} has ${change}, so ${who} has ${result} more. ${told}`,
    ]);
  }
  return pick(random, [
    `${who} has ${counted(start, things)}. ${They} finds ${change} more. ${told}`,
    `${who} had ${counted(start, things)}. ${other} brought ${change} more. ${told}`,
    `${who} picks ${counted(start, things)} and ${other} picks ${change}. They put them together. ${told}`,
    `In the morning ${who} gets ${counted(start, things)}, and after noon ${change} more. ${told}`,
    `There were ${counted(start, things)} in a ${pick(random, CONTAINERS).one}. ${who} put ${change} more in. ${told}`,
  ]);
};

/** Equal groups are filled or shared out; half of the stories show the calculation, and all tell the result. */
const writeGroupStory: WritePassage = (random) => {
  const { name: who, they } = pick(random, PEOPLE);
  const things = pick(random, COUNTABLES);
  const container = pick(random, CONTAINERS);
  const groups = between(random, 2, 6);
  const size = between(random, 2, 6);
  const all = groups * size;
  const product = pick(random, [`That is ${all}.`, `${groups} * ${size} = ${all}, so that is ${all}.`]);
  const quotient = pick(random, [
    `All get the same number, ${size}.`,
    `Each gets ${size}.`,
    `${all} / ${groups} = ${size}, so each gets ${size}.`,
  ]);
  return pick(random, [
    `${who} has ${counted(groups, container)} with ${counted(size, things)} in each. ${product}`,
    `${who} gets ${counted(size, things)} every day for ${groups} days. ${product}`,
    `After ${groups} days with ${counted(size, things)} each day, ${who} counts what ${they} has. ${product}`,
    `${who} gives each of ${groups} children ${counted(size, things)}. ${product}`,
    `${who} shares ${counted(all, things)} between ${groups} children. ${quotient}`,
    `${counted(all, things)} go into ${counted(groups, container)}. One child helps another. ${quotient}`,
  ]);
};

/** Two things happen one after the other, with the sum of each. */
const writeTwoStepStory: WritePassage = (random) => {
  const { name: who, they } = pick(random, PEOPLE);
  const things = pick(random, FOODS);
  const container = pick(random, CONTAINERS);
  const [left, right] = [between(random, 2, 6), between(random, 2, 6)];
  const grouped = random.below(2) === 0;
  const middle = grouped ? left * right : left + right;
  const lost = between(random, 1, Math.min(middle - 1, 9));
  const opening = grouped
    ? `${who} has ${counted(left, container)} with ${counted(right, things)} in each, so ${they} has ${left} * ${right} = ${middle}.`
    : `${who} has ${counted(left, things)} and finds ${right} more, so ${they} has ${left} + ${right} = ${middle}.`;
  return `${opening} Then ${they} eats ${lost}, and ${middle} - ${lost} = ${middle - lost} are left.`;
};

/** Someone says a few words or numbers, and they are said again. */
const writeEcho: WritePassage = (random) => {
  const [{ name: who }, { name: other }] = pickTwo(random, PEOPLE);
  const length = between(random, 2, 4);
  const drawWord = pick(random, [
    () => `${between(random, 1, 30)}`,
    () => pick(random, COUNTABLES).one,
    () => counted(between(random, 2, 20), pick(random, COUNTABLES)),
  ]);
  const words = Array.from({ length }, drawWord).join(", ");
  return `${who} says: ${words}. ${other} says it too: ${words}.`;
};

/** A few sums in a row, as equations or in words, now and then under a heading. */
const writeSums: WritePassage = (random) => {
  const count = between(random, 3, 6);
  const spoken = random.below(3) === 0;
  const heading = random.below(4) === 0 ? "#### Sums\n" : "";
  const sums = Array.from({ length: count }, () => {
    const operator = pick(random, ["+", "-", "*", "/"]);
    if (operator === "+" || operator === "-") {
      const part = between(random, 1, 14);
      const other = between(random, 1, 9);
      const sum = part + other;
      if (operator === "+")
        return spoken ? `${part} and ${other} make ${sum}.` : `${part} + ${other} = ${sum}`;
      return spoken ? `${sum} take away ${other} is ${part}.` : `${sum} - ${other} = ${part}`;
    }
    const [left, right] = [between(random, 2, 6), between(random, 2, 6)];
    if (operator === "*") {
      return spoken ? `${left} times ${right} is ${left * right}.` : `${left} * ${right} = ${left * right}`;
    }
    return spoken ? `${left * right} shared by ${left} is ${right}.` : `${left * right} / ${left} = ${right}`;
  });
  return heading + sums.join(spoken ? " " : "\n");
};

/** Counting up, down or in steps. */
const writeCounting: WritePassage = (random) => {
  const step = pick(random, [1, 1, 2, -1]);
  const first = step > 0 ? between(random, 0, 12) : between(random, 8, 20);
  const numbers = Array.from({ length: 7 }, (_, i) => first + i * step);
  return `${pick(random, PEOPLE).name} counts: ${numbers.join(", ")}.`;
};

/** Something is done to a thing, and what becomes of it; or the same as a rule. */
const writeCause: WritePassage = (random) => {
  const cause = pick(random, CAUSES);
  const thing = pick(random, cause.things);
  const { name: who } = pick(random, PEOPLE);
  const place = pick(random, PLACES);
  const does = cause.does.replace("*", `the ${thing}`);
  const did = cause.did.replace("*", `the ${thing}`);
  return pick(random, [
    `${who} ${did}, and the ${thing} ${cause.happened}.`,
    `In the ${place} ${who} ${did}. The ${thing} ${cause.happened}.`,
    `When someone ${does}, it ${cause.effect}.`,
    `The ${thing} ${cause.happened} because ${who} ${did}.`,
  ]);
};

/** Someone needs something and acts on it. */
const writeNeed: WritePassage = (random) => {
  const need = pick(random, NEEDS);
  const { name: who, they } = pick(random, PEOPLE);
  return pick(random, [
    `${who} ${need.stateBefore}, so ${they} ${need.responded}.`,
    `At noon ${who} ${need.stateBefore}. Soon ${they} ${need.responded}.`,
    `When ${who} ${need.state}, ${they} ${need.response}.`,
    `Someone who ${need.state} ${need.response}.`,
    `${who} ${need.response} when ${they} ${need.state}.`,
    `${capitalized(they)} ${need.responded}, for ${they} ${need.stateBefore}. So did ${they === "he" ? "another man" : "another woman"}.`,
  ]);
};

/** A tool and its work. */
const writeTool: WritePassage = (random) => {
  const tool = pick(random, TOOLS);
  const { name: who, they } = pick(random, PEOPLE);
  return pick(random, [
    `${who} wanted to ${tool.work}, so ${they} took ${tool.name}.`,
    `What happens? ${capitalized(they)} takes ${tool.name} to ${tool.work}.`,
    `${capitalized(tool.name)} helps you ${tool.work}.`,
    `When ${who} wants to ${tool.work}, ${they} takes ${tool.name}. What then?`,
    `To ${tool.work}, people need ${tool.name}.`,
  ]);
};

/** A plain description of an animal or a colour. */
const writeDescription: WritePassage = (random) => {
  const animal = pick(random, ANIMALS);
  const coloured = pick(random, COLOURED);
  const { name: who } = pick(random, PEOPLE);
  return pick(random, [
    `The ${animal.name} lives in ${animal.home}. It ${animal.sound} and likes ${animal.food}.`,
    `A ${animal.name} has ${animal.legs} legs and likes to eat ${animal.food}.`,
    `${who} hears how a ${animal.name} ${animal.sound}.`,
    `${capitalized(coloured.thing)} is ${coloured.colour}.`,
  ]);
};

/** Someone goes somewhere, meets someone, and the day ends. */
const writeDay: WritePassage = (random) => {
  const [first, second] = pickTwo(random, PEOPLE);
  const place = pick(random, PLACES);
  const animal = pick(random, ANIMALS);
  const things = pick(random, COUNTABLES);
  const colour = pick(random, COLOURS);
  const opening = pick(random, [
    `One day ${first.name} went to the ${place}.`,
    `${first.name} and ${second.name} were in the ${place}.`,
    `It was a warm day, and ${first.name} walked to the ${place}.`,
  ]);
  const middle = pick(random, [
    `${second.name} was there with a ${animal.name}. The ${animal.name} was happy and wanted ${animal.food}.`,
    `There ${first.they} saw a ${colour} ${things.one} and showed it to ${second.name}.`,
    `"Look, a ${animal.name}!" said ${second.name}. They watched it for a long time.`,
    `${first.name} gave ${second.name} a ${colour} ${things.one}. "Thank you," said ${second.name}.`,
    `"What do you have there?" asked ${second.name}. "A ${colour} ${things.one}," said ${first.name}.`,
    `"How many ${things.many} do you want?" asked ${second.name}. "I want ${between(random, 2, 9)}," said ${first.name}.`,
  ]);
  const ending = pick(random, [
    "Then they went home.",
    "How happy they were!",
    `In the evening ${first.name} was happy.`,
    "It was a good day.",
    `${second.name} smiled and said, "See you tomorrow."`,
  ]);
  return `${opening} ${middle} ${ending}`;
};

/** What a tiny program does, told or shown. */
const writeProgram: WritePassage = (random) => {
  const variable = pick(random, VARIABLES);
  const start = between(random, 1, 9);
  const adds = random.below(2) === 0;
  const change = between(random, 1, adds ? 9 : start);
  const end = adds ? start + change : start - change;
  return pick(random, [
    `${variable} = ${start}\n${variable} = ${variable} ${adds ? "+" : "-"} ${change}\nNow ${variable} is ${end}.`,
    `This program will print ${start}:\nprint(${start})`,
    `Here this program sets ${variable} to ${start}. It ${adds ? "adds" : "takes away"} ${change}, so ${variable} ends at ${end}.`,
    `${variable} = ${start}\nprint(${variable})\nThis prints the value ${start}.`,
  ]);
};

/** What comes out of stacks and queues, where list elements are, how bits are written, and logic. */
const writeComputing: WritePassage = (random) => {
  const colours = [...COLOURS];
  const drawColour = () => colours.splice(random.below(colours.length), 1)[0]!;
  const three = [drawColour(), drawColour(), drawColour()] as const;
  const index = random.below(3);
  const number = between(random, 0, 31);
  const [left, right] = [random.below(2) === 1, random.below(2) === 1];
  return pick(random, [
    `A stack gives back the last one in. After ${three.join(", ")}, the one that comes out first is ${three[2]}.`,
    `First in, first out: a queue gives back the first one in. After ${three.join(", ")}, the first out is ${three[0]}.`,
    `Counting starts at 0, so element ${index} of the list [${three.join(", ")}] is ${three[index]}.`,
    `a = [${three.join(", ")}]\nHere a[${index}] is ${three[index]}.`,
    `A computer writes the number ${number} in binary as ${number.toString(2)}.`,
    `${left} and ${right} is ${left && right}, but ${left} or ${right} is ${left || right}.`,
    "One byte has 8 bits, and every bit is 0 or 1.",
  ]);
};

const PASSAGES: readonly { weight: number; write: WritePassage }[] = [
  { weight: 3, write: writeDay },
  { weight: 2, write: writeDescription },
  { weight: 9, write: writeCountingStory },
  { weight: 6, write: writeGroupStory },
  { weight: 3, write: writeTwoStepStory },
  { weight: 4, write: writeEcho },
  { weight: 6, write: writeSums },
  { weight: 1, write: writeCounting },
  { weight: 5, write: writeCause },
  { weight: 4, write: writeNeed },
  { weight: 4, write: writeTool },
  { weight: 3, write: writeProgram },
  { weight: 4, write: writeComputing },
];

/** A short exchange about nothing that a tuning set asks. */
function drawExchange(random: Random): [user: string, assistant: string] {
  const animal = pick(random, ANIMALS);
  const coloured = pick(random, COLOURED);
  const person = pick(random, PEOPLE);
  const word = pick(random, COUNTABLES).one;
  return pick(random, [
    ["Hello!", "Hello, how are you?"],
    [`I am ${person.name}. Who are you?`, `Hello, ${person.name}. I am a small model.`],
    ["Thank you.", "It was nice to help you."],
    [`Say ${word}.`, `${capitalized(word)}.`],
    [`Where does the ${animal.name} live?`, `It lives in ${animal.home}.`],
    [`Which colour is ${coloured.thing}?`, `It is ${coloured.colour}.`],
    [`Tell me of a ${animal.name}.`, `A ${animal.name} likes ${animal.food}. It ${animal.sound}.`],
  ]);
}

/** A document of one or two exchanges in the chat form of the embedded model's tokenizer, without the opening token. */
function writeChat(random: Random): string {
  const turn = (role: string, content: string) => `<|turn|>${role}\n${content}<|end|>\n`;
  const exchanges = Array.from({ length: between(random, 1, 3) }, () => drawExchange(random));
  return exchanges
    .map(([user, assistant]) => turn("user", user) + turn("assistant", assistant))
    .join("")
    .trimEnd();
}

/**
 * Writes one document of some 60 to 130 words, or in one of sixteen cases a short chat. The same random stream
 * gives the same document.
 */
export function writeDocument(random: Random): string {
  if (random.below(16) === 0) return writeChat(random);
  const paragraphs: string[] = [];
  const enough = between(random, 60, 100);
  for (let words = 0; words < enough; ) {
    const paragraph = pickWeighted(random, PASSAGES).write(random);
    words += paragraph.split(/\s+/).length;
    paragraphs.push(paragraph);
  }
  return paragraphs.join("\n");
}
