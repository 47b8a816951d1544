/** @file What the three domains of questions have in common: items, and wordings for tuning and for holding out. */

import type { Random } from "../core/random.ts";
import type { Split } from "./drawing.ts";

/** One line of a tuning file, in the form of GSM8K's own files. */
export interface QuestionRow {
  question: string;
  answer: string;
}

/** A row together with what makes it the same item as another, however it is worded. */
export interface Item extends QuestionRow {
  /** Answers of the same form that are wrong, for questions with choices; none where the answer is to be worked out. */
  wrongAnswers: readonly string[];
  /** The combination of numbers or entities asked about; `splitOf(key)` says which split owns it. */
  key: string;
}

/** Wordings of one kind of question: those tuned on, and those only met in the held-out set. */
export type Wordings<Scene> = Readonly<Record<Split, readonly ((scene: Scene) => string)[]>>;

/** Draws one item of a kind, worded with one of the wordings of `split`; its key may belong to either split. */
export type DrawItem = (random: Random, split: Split) => Item;
