/** @file The items whose judgement changed between two evaluations, as a person narrows them down. */

import type { Comparison } from "../../studio/api.ts";

export type ChangedItem = Comparison["changed"][number];

export interface ItemFilter {
  /** "task, metric", as {@link scoreName} gives it; empty for all. */
  readonly score: string;
  readonly change: "all" | "fixed" | "broken";
  /** Words that stand in the question, the right answer or one of the two, in upper or lower case. */
  readonly text: string;
}

export function scoreName({ task, metric }: { readonly task: string; readonly metric: string }): string {
  return `${task}, ${metric}`;
}

export function filterItems(
  items: readonly ChangedItem[],
  { score, change, text }: ItemFilter,
): ChangedItem[] {
  const wanted = text.trim().toLowerCase();
  return items.filter(
    (item) =>
      (score === "" || scoreName(item) === score) &&
      (change === "all" || item.isFixed === (change === "fixed")) &&
      [item.question, item.gold, item.before, item.after].some((one) => one.toLowerCase().includes(wanted)),
  );
}
