/** @file The solution that the model finds likeliest, of several. */

import type { Strategy } from "../strategy.ts";
import type { Named } from "./affordable.ts";
import { asSolution } from "./prompted.ts";
import { sampleSolutions } from "./voting.ts";

/** The solution of n with the highest mean log-probability of its tokens, so that short ones have no advantage. */
export function bestOfN({ name, budget }: Named, n: number): Strategy {
  return {
    name,
    ...(budget !== undefined && { budget }),
    needs: ["logprobs"],
    async solve(question, tools) {
      const written = await sampleSolutions(question, tools, n, { logprobs: true });
      const means = written.map(({ meanLogprob = Number.NEGATIVE_INFINITY }) => meanLogprob);
      const best = written[means.indexOf(Math.max(...means))]!;
      return {
        ...asSolution(best, tools),
        details: { samples: written.length, meanLogprob: Math.max(...means) },
      };
    },
  };
}
