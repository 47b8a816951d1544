/** @file Chooses demonstrations from a pool, for one query or for many. */

import { InputError } from "../core/errors.ts";
import type { Demonstration, DemonstrationSelector } from "../evaluation/demonstration-selector.ts";
import { bm25Selector } from "./bm25.ts";
import { complexitySelector } from "./complexity.ts";
import { randomSelector } from "./random.ts";

const plainSelectors = {
  random: randomSelector(),
  bm25: bm25Selector,
  complexity: complexitySelector,
} as const;

export interface SelectionOptions {
  /** A selector that needs no model by its name, or any as an object. "random" draws with seed 0. */
  readonly by: keyof typeof plainSelectors | DemonstrationSelector;
  /** Demonstrations to choose. Default 1. */
  readonly k?: number;
}

/**
 * Chooses demonstrations for a query, the best first. Those whose text is the query's own are left out.
 *
 * @returns `k` elements of the pool, in the order in which they stand before the query; fewer where the selector rejects some
 * @throws InputError if there is no such selector, the pool has fewer than two demonstrations, or fewer than `k` that are not the
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
  const [chosen] = await selectForAll(pool, [query], findSelector(by), k);
  return chosen!.map((place) => pool[place]!);
}

function findSelector(by: SelectionOptions["by"]): DemonstrationSelector {
  if (typeof by !== "string") return by;
  if (Object.hasOwn(plainSelectors, by)) return plainSelectors[by];
  const known = Object.keys(plainSelectors).join(", ");
  throw new InputError(
    `There is no way "${by}" to choose demonstrations without a model; take ${known}, or make a selector.`,
  );
}

/**
 * Chooses for many queries, for which the pool is looked at once.
 *
 * @returns for each query the numbers of its demonstrations in the pool, the best first
 * @throws InputError as {@link selectDemonstrations}
 */
export async function selectForAll(
  pool: readonly Demonstration[],
  queries: readonly Demonstration[],
  selector: DemonstrationSelector,
  k: number,
  onText?: (done: number, total: number) => void,
): Promise<(readonly number[])[]> {
  if (pool.length < 2) {
    throw new InputError(
      `The pool has ${pool.length === 1 ? "one demonstration" : "no demonstrations"}, of which none can be chosen; give it at least two.`,
    );
  }
  if (!Number.isInteger(k) || k < 1) {
    throw new InputError(`${k} demonstrations cannot be chosen; take a whole number from 1 on.`);
  }
  const candidates = queries.map(({ text }) => [...pool.keys()].filter((i) => pool[i]!.text !== text));
  for (const [query, { length }] of candidates.entries()) {
    if (length >= k) continue;
    const left =
      length === 0
        ? "all of which are that question itself"
        : `of which ${length} ${length === 1 ? "is" : "are"} not that question itself`;
    throw new InputError(
      `For the question ${JSON.stringify(shorten(queries[query]!.text))} ${k} ${k === 1 ? "demonstration is" : "demonstrations are"} to be chosen from ${pool.length}, ${left}; take fewer, or a larger pool.`,
    );
  }
  const choose = await selector.prepare(pool, queries, onText);
  const chosen: (readonly number[])[] = [];
  for (const query of queries.keys()) chosen.push(await choose(query, candidates[query]!, k));
  return chosen;
}

function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 60)} …`;
}
