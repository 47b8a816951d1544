/** @file Chooses demonstrations from a pool, for one query or for many. */

import {
  type Demonstration,
  type DemonstrationSelector,
  selectForAll,
} from "../evaluation/demonstration-selector.ts";
import { createDemonstrationSelector, type SelectorName } from "./selectors.ts";

export interface SelectionOptions {
  /** A selector, or the name of one that needs no model: "random" (with seed 0), "bm25" or "complexity". */
  readonly by: SelectorName | DemonstrationSelector;
  /** Demonstrations to choose. Default 1. */
  readonly k?: number;
}

/**
 * Chooses demonstrations for a query, the best first. Those whose text is the query's own are left out.
 *
 * @returns `k` elements of the pool, in the order in which they stand before the query; fewer where the selector rejects some
 * @throws InputError if there is no such selector or it needs a model, the pool has fewer than two demonstrations, or fewer than `k` that are not the
 *   query itself.
 * @example
 * const pool = [
 *   { text: "Tom has 3 pens and buys 4. How many has he?", solution: "3 + 4 = 7" },
 *   { text: "A train takes 2 hours for 160 miles. How fast is it?", solution: "160 / 2 = 80" },
 * ];
 * const [nearest] = await selectDemonstrations(pool, { text: "How fast is a train?" }, { by: "bm25", k: 1 });
 * console.log(nearest?.solution);
 */
export async function selectDemonstrations<D extends Demonstration>(
  pool: readonly D[],
  query: Demonstration,
  { by, k = 1 }: SelectionOptions,
): Promise<D[]> {
  const selector = typeof by === "string" ? createDemonstrationSelector(by) : by;
  const [chosen] = await selectForAll(pool, [query], selector, k);
  return chosen!.map((place) => pool[place]!);
}
