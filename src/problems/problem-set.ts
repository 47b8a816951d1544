/** @file A set of problems with one right answer each: rows to tune on, and tasks whose items are not among them. */

import type { Random } from "../core/random.ts";

/** A row to tune on. */
export interface ProblemRow {
  /** All that stands before the answer. */
  readonly prompt: string;
  /** The same in other words. */
  readonly rewording: string;
  readonly completion: string;
}

/** An item whose answer is written. */
export interface WrittenItem {
  readonly question: string;
  readonly answer: string;
}

/** An item whose answer is chosen. */
export interface ChosenItem {
  readonly question: string;
  readonly choices: readonly string[];
  /** Number of the right choice, from 0. */
  readonly label: number;
}

/** An item whose question is also there in other words, which rows may have and items have not. */
export type Reworded<Item> = Item & { readonly rewording: string };

export interface ProblemTask {
  readonly name: string;
  /** In what its items differ from the rows; nothing where they are of the same distribution. */
  readonly shift?: string;
  readonly items: readonly WrittenItem[] | readonly ChosenItem[];
}

export interface ProblemSet {
  readonly rows: readonly ProblemRow[];
  /** That of the rows' own distribution first. */
  readonly tasks: readonly ProblemTask[];
  /** Problems of a file whose answer is no number. Default 0. */
  readonly leftOut?: number;
}

/** How many there shall be. */
export interface ProblemCounts {
  readonly rows: number;
  /** Items of each task. */
  readonly items: number;
}

/** @param question all that stands before the answer, as `rewording` in other words */
export function toRow(question: string, rewording: string, answer: string): ProblemRow {
  return { prompt: question, rewording, completion: ` ${answer}` };
}

export function withoutRewording<Item extends object>({
  rewording: _,
  ...item
}: Reworded<Item>): Omit<Reworded<Item>, "rewording"> {
  return item;
}

/** @throws RangeError if so many different ones do not turn up. */
export function drawDifferent<Item extends { readonly question: string }>(
  count: number,
  random: Random,
  draw: (random: Random) => Item,
): Item[] {
  const drawn = new Map<string, Item>();
  for (let tries = 0; drawn.size < count; tries++) {
    if (tries > 1000 + 100 * count)
      throw new RangeError(`There are no ${count} different problems of this kind.`);
    const item = draw(random);
    drawn.set(item.question, item);
  }
  return [...drawn.values()];
}
