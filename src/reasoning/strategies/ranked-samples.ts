/** @file Whole solutions chosen by the rewards of their steps. */

import { aggregateRewards, type RewardAggregation, weightedVote } from "../../search/ranking.ts";
import type { Question, Solution, Strategy, Tools } from "../strategy.ts";
import type { Written } from "../writer.ts";
import { drawAffordable, type Named } from "./affordable.ts";
import { splitSteps } from "./steps.ts";

/** The solution with the highest reward, of n. */
export function bestByReward(named: Named, n: number, by: RewardAggregation): Strategy {
  return ranked(named, n, by, (rated) => rated);
}

/** The answer whose solutions have the highest sum of rewards, of n. */
export function weightedBestOfN(named: Named, n: number, by: RewardAggregation): Strategy {
  return ranked(named, n, by, (rated, { equal }) => {
    const [heaviest] = weightedVote(
      rated.map(({ answer, reward }) => ({ answer, weight: reward })),
      equal,
    );
    return rated.filter(({ answer }) => heaviest !== undefined && equal(answer, heaviest.answer));
  });
}

/** A solution with a complete answer. */
interface Rated {
  readonly text: string;
  readonly answer: string;
  readonly reward: number;
}

/** @param eligible those of which the one with the highest reward is taken */
function ranked(
  { name, budget }: Named,
  n: number,
  by: RewardAggregation,
  eligible: (rated: readonly Rated[], tools: Tools) => readonly Rated[],
): Strategy {
  return {
    name,
    ...(budget !== undefined && { budget }),
    scoresSteps: true,
    async solve(question, tools): Promise<Solution> {
      const drawn = await sampleScored(question, tools, n);
      const rated = drawn.flatMap(({ written, rewards }): Rated[] => {
        const answer = written.reason === "length" ? undefined : tools.extract(written.text);
        return answer === undefined
          ? []
          : [{ text: written.text, answer, reward: aggregateRewards(rewards, by) }];
      });
      const [best] = [...eligible(rated, tools)].sort((a, b) => b.reward - a.reward);
      const details = { samples: drawn.length, complete: rated.length };
      if (best) return { answer: best.answer, text: best.text, details: { ...details, reward: best.reward } };
      return { answer: undefined, text: drawn[0]!.written.text, isCut: true, details };
    },
  };
}

/** Solutions with the rewards of their steps; those drawn alike are scored once. */
async function sampleScored(
  question: Question,
  tools: Tools,
  n: number,
): Promise<{ readonly written: Written; readonly rewards: readonly number[] }[]> {
  const messages = tools.prompt(question);
  const { maxTokens } = tools.settings;
  const mostTokens = maxTokens + tools.mostScored(maxTokens);
  const rewardsOf = new Map<string, Promise<readonly number[]>>();
  const score = async (text: string) => (await tools.judgeSteps(question, splitSteps(text))).rewards;
  return drawAffordable(messages, tools, { count: n, mostTokens }, async (samples, firstSample) => {
    const drawn = await tools.sample({ messages, maxTokens, samples, firstSample });
    return Promise.all(
      drawn.map(async (written) => {
        const rewards = rewardsOf.get(written.text) ?? score(written.text);
        rewardsOf.set(written.text, rewards);
        return { written, rewards: await rewards };
      }),
    );
  });
}
