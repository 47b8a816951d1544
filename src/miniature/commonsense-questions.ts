/** @file Questions about everyday life: what happens next, what someone will do, and which tool is right. */

import { pick } from "./drawing.ts";
import type { DrawItem, Wordings } from "./questions.ts";
import { CAUSES, capitalized, NEEDS, type Need, PEOPLE, TOOLS, type Tool } from "./world.ts";

function others<T>(table: readonly T[], one: T): T[] {
  return table.filter((row) => row !== one);
}

const EFFECT_WORDINGS: Wordings<{ who: string; does: string; thing: string }> = {
  train: [
    (s) => `${s.who} ${s.does}. What happens next?`,
    (s) => `What happens to the ${s.thing} when ${s.who} ${s.does}?`,
    (s) => `Look, ${s.who} ${s.does}. What does the ${s.thing} do?`,
  ],
  "held-out": [
    (s) => `One day ${s.who} ${s.does}. What happens then?`,
    (s) => `If ${s.who} ${s.does}, what will the ${s.thing} do?`,
  ],
};

const drawEffect: DrawItem = (random, split) => {
  const cause = pick(random, CAUSES);
  const thing = pick(random, cause.things);
  const scene = { who: pick(random, PEOPLE).name, does: cause.does.replace("*", `the ${thing}`), thing };
  return {
    key: `${cause.effect}: ${thing}`,
    question: pick(random, EFFECT_WORDINGS[split])(scene),
    answer: `The ${thing} ${cause.effect}.`,
    wrongAnswers: others(CAUSES, cause).map(({ effect }) => `The ${thing} ${effect}.`),
  };
};

const RESPONSE_WORDINGS: Wordings<{ who: string; they: string; state: string }> = {
  train: [
    (s) => `${s.who} ${s.state}. What does ${s.they} do?`,
    (s) => `It is noon and ${s.who} ${s.state}. What happens next?`,
    (s) => `What does ${s.who} do when ${s.they} ${s.state}?`,
  ],
  "held-out": [
    (s) => `Now ${s.who} ${s.state}. What will ${s.they} do?`,
    (s) => `If ${s.who} ${s.state}, what does ${s.they} do then?`,
  ],
};

const drawResponse: DrawItem = (random, split) => {
  const need = pick(random, NEEDS);
  const person = pick(random, PEOPLE);
  const answerWith = ({ response }: Need) => `${capitalized(person.they)} ${response}.`;
  return {
    key: `${need.state}: ${person.name}`,
    question: pick(
      random,
      RESPONSE_WORDINGS[split],
    )({ who: person.name, they: person.they, state: need.state }),
    answer: answerWith(need),
    wrongAnswers: others(NEEDS, need).map(answerWith),
  };
};

const TOOL_WORDINGS: Wordings<{ who: string; they: string; work: string }> = {
  train: [
    (s) => `${s.who} wants to ${s.work}. What does ${s.they} take?`,
    (s) => `What does ${s.who} need to ${s.work}?`,
    (s) => `It is time to ${s.work}. What should ${s.who} get?`,
  ],
  "held-out": [
    (s) => `${s.who} has to ${s.work}. What does ${s.they} need?`,
    (s) => `What will ${s.who} take to ${s.work}?`,
  ],
};

const drawToolChoice: DrawItem = (random, split) => {
  const tool = pick(random, TOOLS);
  const person = pick(random, PEOPLE);
  const answerWith = ({ name }: Tool) => `${capitalized(person.they)} takes ${name}.`;
  return {
    key: `${tool.name}: ${person.name}`,
    question: pick(random, TOOL_WORDINGS[split])({ who: person.name, they: person.they, work: tool.work }),
    answer: answerWith(tool),
    wrongAnswers: others(TOOLS, tool).map(answerWith),
  };
};

/** Draws a question about everyday life; its key is the pair of entities, such as `melts: butter`. */
export const drawCommonsenseItem: DrawItem = (random, split) =>
  pick(random, [drawEffect, drawResponse, drawToolChoice])(random, split);
