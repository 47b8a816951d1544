/** @file What counts as an answer, and as the same answer. */

/** Finds answers in texts and compares them. */
export interface Judge {
  /** The answer that a text gives; undefined if it gives none. */
  extract(text: string): string | undefined;
  /** Whether two answers are the same. */
  equal(given: string, gold: string): boolean;
}

/** Judges answers to mathematical problems. */
export const mathematicalJudge: Judge = {
  extract(text) {
    const marked = [
      ...text.matchAll(/####\s*(-?[\d.,/]+)|\\boxed\{([^{}]*)\}|answer is:?\s*\$?(-?[\d.,/]+)/gi),
    ].at(-1);
    const found =
      marked?.slice(1).find((group) => group !== undefined) ?? text.match(/-?\d[\d,]*(?:\.\d+)?/g)?.at(-1);
    return found?.replace(/[.,]$/, "");
  },
  equal(given, gold) {
    const numberOf = (text: string) => Number(text.replaceAll(/[$,\s]/g, ""));
    return given === gold || numberOf(given) === numberOf(gold);
  },
};
