/** @file What chooses demonstrations: the solved examples that stand before a question, for each question its own. */

import { InputError } from "../core/errors.ts";
import type { Model } from "../core/models/model.ts";
import type { LanguageModel } from "./language-model.ts";

/** A question with its solution, as it may stand before others. */
export interface Demonstration {
  /** The bare question. */
  readonly text: string;
  /** Its worked solution or answer. Default: none is known. */
  readonly solution?: string;
}

/** A way to choose demonstrations. */
export interface DemonstrationSelector {
  readonly name: string;
  /** Whether it reads the right answers of the queries, so that it bounds what others reach and cannot be used. Default false. */
  readonly isOracle?: boolean;
  /**
   * Looks at a pool and at all queries once.
   *
   * @param onText called with how many texts a model has read, of how many
   * @throws InputError if a text cannot be looked at
   */
  prepare(
    pool: readonly Demonstration[],
    queries: readonly Demonstration[],
    onText?: (done: number, total: number) => void,
  ): Promise<ChooseDemonstrations>;
}

/**
 * Chooses for one query.
 *
 * @param query its number among those that were prepared
 * @param candidates numbers of the demonstrations that may be chosen, ascending; at least `k`
 * @returns `k` of them, the best first; fewer where the others are rejected
 */
export type ChooseDemonstrations = (
  query: number,
  candidates: readonly number[],
  k: number,
) => readonly number[] | Promise<readonly number[]>;

/** Makes a selector of the models that there are. */
export type OpenSelector = (models: SelectorModels) => DemonstrationSelector;

/** What a selector may read texts with. */
export interface SelectorModels {
  /** A model on this machine. */
  readonly model?: Model | undefined;
  /** What gives log-likelihoods. */
  readonly languageModel?: LanguageModel | undefined;
}

/**
 * Chooses for many queries, for which the pool is looked at once. Demonstrations whose text is the query's own are no candidates.
 *
 * @returns for each query the numbers of its demonstrations in the pool, the best first
 * @throws InputError if the pool has fewer than two demonstrations, or fewer than `k` that are not a query itself
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
