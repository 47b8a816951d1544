/** @file Lessons in the small world, whose turns are labelled with what their speakers do. */

import type { Random } from "../core/random.ts";
import { between, pick, type Split } from "./drawing.ts";
import { CAUSES, COUNTABLES, PEOPLE } from "./world.ts";

/** What a speaker does with a turn: the teacher asks, presses for reasons or says an answer again, a student claims or gives a reason. */
type Move = "ask" | "press" | "restate" | "claim" | "reason";

export interface LessonTurn {
  readonly speaker: string;
  readonly text: string;
  readonly codes: readonly Move[];
}

/** A row of a file of lessons. */
export interface Lesson {
  readonly id: string;
  readonly split: "train" | "test";
  readonly turns: readonly LessonTurn[];
}

/** What is spoken of, with what is right to say of it. */
interface Matter {
  readonly question: string;
  readonly claim: string;
  readonly reason: string;
}

/** Ways to press, and what is said beside the matter, some of it in like words. Those after the first few are only met in lessons that are assessed. */
const presses = [
  "Why is that?",
  "How do you know?",
  "Why do you say so?",
  "How did you find that?",
  "Can you tell us more about that?",
  "What makes you think so?",
];
const seen = 4;
const teacherChatter = [
  "Good.",
  "Why is it so cold here?",
  "Now look at me.",
  "Do you know the time?",
  "How did you get here?",
  "Can you tell us your name?",
];
const studentChatter = [
  "Yes.",
  "I am cold because it is raining.",
  "I do not know.",
  "I have a cat.",
  "I am here because I like cakes.",
  "So it is raining.",
];

/**
 * Draws a lesson: some matters are asked about, and a student answers with a claim or a reason. How often the teacher presses, and
 * students give reasons, differs from lesson to lesson.
 */
export function drawLesson(id: string, split: Lesson["split"], random: Random): Lesson {
  const teacher = pick(random, PEOPLE);
  const title = teacher.they === "she" ? "Ms." : "Mr.";
  const students = [0, 1, 2].map((i) => PEOPLE[(PEOPLE.indexOf(teacher) + 1 + 3 * i) % PEOPLE.length]!.name);
  const [pressing, reasoning] = [between(random, 0, 4), between(random, 0, 4)];
  const happens = (share: number) => random.below(5) < share;
  const turns: LessonTurn[] = [];
  const say = (speaker: string, text: string, ...codes: Move[]) => turns.push({ speaker, text, codes });
  const part: Split = split === "train" ? "train" : "held-out";
  const choose = (table: readonly string[]) => pick(random, part === "train" ? table.slice(0, seen) : table);
  const teach = (text: string, ...codes: Move[]) => say(`${title} ${teacher.name}`, text, ...codes);
  for (let matters = between(random, 2, 4); matters > 0; matters--) {
    const { question, claim, reason } = drawMatter(random);
    const student = pick(random, students);
    teach(question, "ask");
    if (happens(1)) say(pick(random, students), choose(studentChatter));
    if (happens(reasoning)) say(student, reason, "reason");
    else say(student, claim, "claim");
    if (happens(pressing)) {
      teach(choose(presses), "press");
      if (happens(reasoning)) say(pick(random, students), reason, "reason");
      else say(pick(random, students), claim, "claim");
    }
    if (happens(1)) teach(`So ${claim.charAt(0).toLowerCase()}${claim.slice(1)}`, "restate");
    else if (happens(2)) teach(happens(2) ? `Good, ${student}.` : choose(teacherChatter));
  }
  return { id, split, turns };
}

function drawMatter(random: Random): Matter {
  const { name: who } = pick(random, PEOPLE);
  if (random.below(2) === 0) {
    const { does, effect, things } = pick(random, CAUSES);
    const thing = pick(random, things);
    const done = `${who} ${does.replace("*", `the ${thing}`)}`;
    return {
      question: `${done}. What does the ${thing} do?`,
      claim: `The ${thing} ${effect}.`,
      reason: pick(random, [
        `The ${thing} ${effect} because ${done}.`,
        `${done}, so the ${thing} ${effect}.`,
      ]),
    };
  }
  const { many } = pick(random, COUNTABLES);
  const [a, b] = [between(random, 2, 9), between(random, 2, 9)];
  return {
    question: `${who} has ${a} ${many} and finds ${b} more. How many ${many} are there?`,
    claim: `There are ${a + b} ${many}.`,
    reason: pick(random, [
      `There are ${a + b} ${many} because ${a} + ${b} = ${a + b}.`,
      `${a} + ${b} = ${a + b}, so there are ${a + b} ${many}.`,
    ]),
  };
}
