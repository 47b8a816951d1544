/** @file What a study of demonstrations has found, as it is kept. */

import type { Estimate } from "../statistics/wilson.ts";
import type { Lms3Compat } from "./lms3.ts";

/** What answers are scored by: whether those that are written are right, or how likely the right ones are. */
export type DemonstrationScore = "answers" | "bits";

/** Demonstrations before all items of a task, by one way to choose them. */
export interface DemonstrationArm {
  /** The selector's name, or "zero-shot". */
  readonly selection: string;
  /** Demonstrations that were asked for. */
  readonly k: number;
  /** Whether it reads the right answers, so that it cannot be used. */
  readonly isOracle: boolean;
  /** Draws that the scores are means over. */
  readonly seeds: number;
  /** The share of the demonstrations asked for that the selector has rejected, and of the items that are left without any. */
  readonly rejected: number;
  readonly bare: number;
  /** Cost of an item's prompt, the mean over items and draws; null where the model's tokens are not known, as a server's. */
  readonly tokens: {
    /** Of the prompt as a whole. */
    readonly read: number;
    /** What of it has to be computed if beginnings that prompts have in common are computed once. */
    readonly own: number;
  } | null;
  readonly scores: readonly ArmScore[];
}

export interface ArmScore {
  readonly score: DemonstrationScore;
  /** With a 95 % bootstrap interval over items, and over draws where there are several. */
  readonly estimate: Estimate;
  /** The same items with other demonstrations: none, and random ones, as many. */
  readonly comparisons: readonly ArmComparison[];
}

export interface ArmComparison {
  readonly against: string;
  /** This less that, over the items as pairs. */
  readonly difference: Estimate;
  readonly p: number;
  /** By Holm's method over all comparisons of this score. */
  readonly adjustedP: number;
  readonly verdict: "better" | "worse" | "no difference shown";
}

export interface DemonstrationTask {
  readonly task: string;
  readonly items: number;
  /** The metric and filter of "answers", where they are scored. */
  readonly metric: string | null;
  readonly arms: readonly DemonstrationArm[];
  /** Items of which a row of the pool has 13 words in a row, or all if it has 8 to 12. */
  readonly contaminated: readonly {
    readonly docId: number;
    /** The row's number in the pool, from 0. */
    readonly demonstration: number;
    readonly ngram: string;
  }[];
  /** Items that are long enough to be looked for. */
  readonly checkedItems: number;
}

export interface DemonstrationResults {
  readonly slimtune: string;
  readonly date: string;
  readonly model: string;
  readonly adapter: string | null;
  /** What reads texts to choose; null if nothing does. */
  readonly chooser: string | null;
  readonly pool: { readonly name: string; readonly size: number };
  readonly applyChatTemplate: boolean;
  readonly lms3: { readonly lambda: number; readonly compat: Lms3Compat };
  readonly tasks: readonly DemonstrationTask[];
}

/** An item, and what was chosen for it: a line of `choices.jsonl`. */
export interface ChosenForItem {
  readonly task: string;
  readonly docId: number;
  readonly question: string;
  /** By arm, such as "bm25:4" or, of the third draw, "random:4#2": numbers in the pool from 0, the best first. */
  readonly demonstrations: Readonly<Record<string, readonly number[]>>;
  /** By arm, what each score gives: 1 for a right answer, the bits of the right one. */
  readonly scores: Readonly<Record<string, Readonly<Partial<Record<DemonstrationScore, number>>>>>;
}

/** Such as "bm25:4"; "zero-shot" without demonstrations. */
export function nameArm({ selection, k }: Pick<DemonstrationArm, "selection" | "k">): string {
  return k === 0 ? selection : `${selection}:${k}`;
}
