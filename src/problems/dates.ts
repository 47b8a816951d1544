/** @file Date understanding (after BIG-bench's task of this name): which of six dates is some days before or after another. */

import { createRandom, type Random } from "../core/random.ts";
import { between, pick, type Split, splitOf } from "../miniature/drawing.ts";
import {
  type ChosenItem,
  drawDifferent,
  type ProblemCounts,
  type ProblemSet,
  type Reworded,
  toRow,
  withoutRewording,
} from "./problem-set.ts";

interface Span {
  readonly days: number;
  /** "tomorrow", "a week ago" */
  readonly words: string;
}

const tuned: readonly Span[] = [
  { days: 1, words: "tomorrow" },
  { days: -1, words: "yesterday" },
  { days: 7, words: "one week from today" },
  { days: -7, words: "one week ago" },
  { days: 10, words: "10 days from today" },
  { days: -10, words: "10 days ago" },
];
const shifted: readonly Span[] = [
  { days: 2, words: "the day after tomorrow" },
  { days: -2, words: "the day before yesterday" },
  { days: 14, words: "two weeks from today" },
  { days: -14, words: "two weeks ago" },
  { days: 4, words: "4 days from today" },
  { days: -4, words: "4 days ago" },
];

const choices = 6;

/**
 * Draws rows and items with six dates to choose from; no item's day is that of a row. The items of `dates_spans` ask for spans of time that are in no
 * row. The answer is the date as it is written. The prompt is that of DCA's release.
 *
 * @throws RangeError if more are asked for than there are different ones.
 * @example
 * const { rows, tasks } = drawDates({ rows: 1000, items: 200 }, 0);
 */
export function drawDates(counts: ProblemCounts, seed: number): ProblemSet {
  const draw = (count: number, split: Split, spans: readonly Span[], stream: number) =>
    drawDifferent(count, createRandom(seed, stream), (random) => drawItem(random, split, spans));
  return {
    rows: draw(counts.rows, "train", tuned, 0).map(({ question, rewording, choices, label }) =>
      toRow(question, rewording, choices[label]!),
    ),
    tasks: [
      { name: "dates", items: draw(counts.items, "held-out", tuned, 1).map(withoutRewording) },
      {
        name: "dates_spans",
        shift: "other spans of time",
        items: draw(counts.items, "held-out", shifted, 2).map(withoutRewording),
      },
    ],
  };
}

function drawItem(random: Random, split: Split, spans: readonly Span[]): Reworded<ChosenItem> {
  const today = drawDay(random, split);
  const { days, words } = pick(random, spans);
  const right = write(after(today, days));
  const others = new Set<string>();
  while (others.size < choices - 1) {
    const other = write(after(today, days + between(random, -12, 12) * pick(random, [1, 1, 30])));
    if (other !== right) others.add(other);
  }
  const options = [...others];
  const label = random.below(choices);
  options.splice(label, 0, right);
  const ask = (problem: string) =>
    [
      "Below is a question with a set of options. Select the correct answer from the options",
      "### Problem:",
      problem,
      "### Options:",
      ...options,
      "### Answer:",
    ].join("\n");
  return {
    question: ask(`Today is ${write(today)}. What is the date ${words} in MM/DD/YYYY?`),
    rewording: ask(`It is ${write(today)}. Which date, in MM/DD/YYYY, is it ${words}?`),
    choices: options,
    label,
  };
}

function drawDay(random: Random, split: Split): Date {
  for (;;) {
    const day = new Date(Date.UTC(between(random, 1960, 2029), 0, between(random, 1, 365)));
    if (splitOf(write(day)) === split) return day;
  }
}

function after(day: Date, days: number): Date {
  return new Date(day.getTime() + 86_400_000 * days);
}

/** "03/14/2015" */
function write(day: Date): string {
  const [year, month, date] = day.toISOString().slice(0, 10).split("-");
  return `${month}/${date}/${year}`;
}
