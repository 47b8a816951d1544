/** @file What chooses demonstrations: the solved examples that stand before a question, for each question its own. */

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
