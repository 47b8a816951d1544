/** @file Sets of question rows for one domain and split, without repeats and without an item in both splits. */

import type { Random } from "../core/random.ts";
import { drawCommonsenseItem } from "./commonsense-questions.ts";
import { drawComputingItem } from "./computing-questions.ts";
import { type Split, splitOf } from "./drawing.ts";
import { drawMathItem, drawThinkingItem } from "./math-questions.ts";
import type { DrawItem, Item } from "./questions.ts";
import { drawSizesItem } from "./sizes-questions.ts";

/** The three domains that a miniature model can be tuned on. */
export const DOMAINS = ["math", "commonsense", "computing"] as const;

export type Domain = (typeof DOMAINS)[number];

/** What tuning sets there are: of the domains, of word problems that are thought about too much, and of those with small and large numbers. */
export type Subject = Domain | "thinking" | "sizes";

const DRAW_ITEM: Record<Subject, DrawItem> = {
  math: drawMathItem,
  thinking: drawThinkingItem,
  sizes: drawSizesItem,
  commonsense: drawCommonsenseItem,
  computing: drawComputingItem,
};

/** Draws in a row that give no new question before a domain counts as exhausted. */
const MOST_VAIN_DRAWS = 5000;

/**
 * Draws `size` items of a subject, no two with the same question. Every item's key belongs to `split`, so that
 * training and held-out sets share neither wordings nor combinations of numbers or entities.
 *
 * @throws RangeError when the subject cannot supply so many different questions.
 */
export function drawTuningSet(subject: Subject, split: Split, size: number, random: Random): Item[] {
  const items = new Map<string, Item>();
  for (let vainDraws = 0; items.size < size; vainDraws++) {
    if (vainDraws === MOST_VAIN_DRAWS) {
      throw new RangeError(
        `The subject ${subject} has hardly more than ${items.size} ${split} questions, so ask for fewer than ${size}.`,
      );
    }
    const item = DRAW_ITEM[subject](random, split);
    if (splitOf(item.key) !== split || items.has(item.question)) continue;
    items.set(item.question, item);
    vainDraws = 0;
  }
  return [...items.values()];
}
