/** @file What a solution costs. */

/** All that was spent on a problem, answers that were known from before included. */
export interface Meter {
  /** Tokens of prompts, with what an answer was begun with. */
  promptTokens: number;
  /** Those of them that were computed: beginnings that other texts share are known. A server may not say how many. */
  computedPromptTokens: number;
  /** Tokens that models wrote, those of probes and of texts that were thrown away included. */
  completionTokens: number;
  /** Tokens of given texts whose log-probabilities were asked for, and those that a scorer of steps computed. */
  verifierTokens: number;
  /** Texts written or scored. */
  calls: number;
  /** Of the time in which texts were written side by side, an equal share for each of them: over all problems the whole time. */
  seconds: number;
}

export function createMeter(): Meter {
  return {
    promptTokens: 0,
    computedPromptTokens: 0,
    completionTokens: 0,
    verifierTokens: 0,
    calls: 0,
    seconds: 0,
  };
}

/** Divides time among those who are under way in it. */
export interface SharedClock {
  /** @returns a function that ends the stay and gives its share of the time in seconds */
  enter(): () => number;
}

export function createSharedClock(now: () => number = () => performance.now() / 1000): SharedClock {
  let present = 0;
  let shares = 0;
  let last = now();
  const advance = () => {
    const time = now();
    if (present > 0) shares += (time - last) / present;
    last = time;
  };
  return {
    enter() {
      advance();
      present++;
      const start = shares;
      return () => {
        advance();
        present--;
        return shares - start;
      };
    },
  };
}
