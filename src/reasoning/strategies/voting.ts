/** @file Several solutions and a vote among them: all of so many, or fewer where it is clear before. */

import type { Question, Solution, Strategy, Tools } from "../strategy.ts";
import { certainty, countVotes, leadProbability, type Vote } from "../votes.ts";
import type { WriteRequest, Written } from "../writer.ts";
import { drawAffordable, type Named } from "./affordable.ts";

/** Decides, from the votes among the samples so far, whether they are enough. */
interface StopRule {
  /** Samples that are drawn at a time. */
  readonly window: number;
  /** @param votes among all samples @param lastWindow among those of the last window @param samples how many there are */
  isEnough(votes: readonly Vote[], lastWindow: readonly Vote[], samples: number): boolean;
}

/** Self-consistency: the answer that most of n drawn solutions give (Wang et al. 2022, arXiv 2203.11171). */
export function selfConsistency({ name, budget }: Named, n: number): Strategy {
  return {
    ...vote(name, n, () => ({ window: n, isEnough: () => true })),
    ...(budget !== undefined && { budget }),
  };
}

/** Stops when the {@link certainty} of at least `least` solutions reaches a threshold (Certaindex). */
export function earlyStop(name: string, n: number, threshold: number, least: number): Strategy {
  return vote(name, n, () => ({
    window: 1,
    isEnough(votes, _, samples) {
      return samples >= least && certainty(withSilent(votes, samples)) >= threshold;
    },
  }));
}

/** Stops when all of a window of solutions give the same answer (ESC, Li et al. 2024, arXiv 2401.10480). */
export function sameInWindow(name: string, n: number, window: number): Strategy {
  return vote(name, n, () => ({
    window,
    isEnough: (_, lastWindow) => lastWindow[0]?.count === window,
  }));
}

/** Stops when the first answer is likely enough to stay ahead ({@link leadProbability}; Adaptive-Consistency). */
export function adaptiveConsistency(name: string, n: number, confidence: number): Strategy {
  return vote(name, n, () => ({
    window: 1,
    isEnough: ([first, second]) => leadProbability(first?.count ?? 0, second?.count ?? 0) >= confidence,
  }));
}

/**
 * Stops after a number of solutions that is drawn, of this mean: what early stopping has to beat at the same mean. The number less
 * one is binomial, between 0 and n − 1.
 */
export function randomStop(name: string, n: number, mean: number): Strategy {
  return vote(name, n, ({ random }) => {
    const share = (mean - 1) / (n - 1);
    let last = 1;
    for (let i = 1; i < n; i++) if (random.uniform() < share) last++;
    return { window: last, isEnough: () => true };
  });
}

function vote(name: string, n: number, ruleFor: (tools: Tools) => StopRule): Strategy {
  return {
    name,
    async solve(question, tools) {
      const rule = ruleFor(tools);
      const written: Written[] = [];
      const votesOf = (texts: readonly Written[]) =>
        countVotes(
          texts.map(({ text }) => tools.extract(text)),
          tools.equal,
        );
      while (written.length < n) {
        const size = Math.min(rule.window, n - written.length);
        const window = await sampleSolutions(question, tools, size, { firstSample: written.length });
        written.push(...window);
        if (rule.isEnough(votesOf(written), votesOf(window), written.length)) break;
      }
      return elect(written, votesOf(written), tools);
    },
  };
}

/** Solutions drawn under the run's instruction, from the sample of this number on: so many, or fewer if the budget is used up. */
export function sampleSolutions(
  question: Question,
  tools: Tools,
  samples: number,
  { firstSample = 0, ...options }: Pick<WriteRequest, "firstSample" | "logprobs"> = {},
): Promise<Written[]> {
  const messages = tools.prompt(question);
  const { maxTokens } = tools.settings;
  return drawAffordable(messages, tools, { count: samples, mostTokens: maxTokens }, (count, drawn) =>
    tools.sample({ messages, maxTokens, samples: count, firstSample: firstSample + drawn, ...options }),
  );
}

/** The answer with the most votes, with the first solution that gives it. */
export function elect(written: readonly Written[], votes: readonly Vote[], tools: Tools): Solution {
  const [first] = votes;
  const isOfFirst = ({ text }: Written) => {
    const answer = tools.extract(text);
    return answer !== undefined && first !== undefined && tools.equal(answer, first.answer);
  };
  return {
    answer: first?.answer,
    text: (written.find(isOfFirst) ?? written[0])!.text,
    isCut: written.every(({ reason }) => reason === "length"),
    details: {
      samples: written.length,
      votes: first?.count ?? 0,
      certainty: certainty(withSilent(votes, written.length)),
    },
  };
}

/** The counts of votes, and a one for each sample without an answer. */
function withSilent(votes: readonly Vote[], samples: number): number[] {
  const counts = votes.map(({ count }) => count);
  const silent = samples - counts.reduce((sum, count) => sum + count, 0);
  return [...counts, ...new Array<number>(silent).fill(1)];
}
