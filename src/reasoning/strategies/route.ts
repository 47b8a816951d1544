/** @file Two models: the run's answers what it is confident about, and a stronger one the rest. */

import type { Question, Solution, Strategy, Tools } from "../strategy.ts";
import { countVotes } from "../votes.ts";
import { asSolution } from "./prompted.ts";
import { elect, sampleSolutions } from "./voting.ts";

export interface RouteOptions {
  /** The stronger model: a folder, file, Hub id or server. */
  readonly model: string;
  /** Confidence is the share of votes for the first answer, or the mean log-probability of a solution's tokens. */
  readonly by: "votes" | "logprob";
  /** The share of problems that the stronger model gets. */
  readonly share: number;
}

/** Solutions that vote. */
const voters = 3;

/**
 * The run's model solves each problem; those of which it is least confident go to the stronger model. The threshold is the
 * quantile of the confidences over the problems of the run for the wanted share, as RouteLLM calibrates its own (Ong et al. 2024,
 * arXiv 2406.18665); it takes no right answers. Where confidences are equal fewer may go.
 */
export function route(name: string, { model, by, share }: RouteOptions): Strategy {
  let threshold = Number.NEGATIVE_INFINITY;
  return {
    name,
    models: [model],
    needs: by === "logprob" ? ["logprobs"] : [],
    async prepare(questions, toolsFor) {
      const attempts = await Promise.all(
        questions.map((question) => attempt(by, question, toolsFor(question))),
      );
      threshold = thresholdFor(
        share,
        attempts.map(({ confidence }) => confidence),
      );
    },
    async solve(question, tools) {
      const { confidence, solution } = await attempt(by, question, tools);
      if (confidence >= threshold) return { ...solution, details: { confidence, model: "own" } };
      const before = tools.meter.completionTokens;
      const messages = tools.prompt(question);
      const written = await tools.write({ messages, maxTokens: tools.settings.maxTokens, model });
      const strongTokens = tools.meter.completionTokens - before;
      return { ...asSolution(written, tools), details: { confidence, model: "stronger", strongTokens } };
    },
  };
}

/** The confidence below which this share of problems lies. */
export function thresholdFor(share: number, confidences: readonly number[]): number {
  const ascending = confidences.toSorted((a, b) => a - b);
  return ascending[Math.round(share * ascending.length)] ?? Number.POSITIVE_INFINITY;
}

async function attempt(
  by: RouteOptions["by"],
  question: Question,
  tools: Tools,
): Promise<{ readonly confidence: number; readonly solution: Solution }> {
  if (by === "votes") {
    const written = await sampleSolutions(question, tools, voters);
    const votes = countVotes(
      written.map(({ text }) => tools.extract(text)),
      tools.equal,
    );
    return { confidence: (votes[0]?.count ?? 0) / voters, solution: elect(written, votes, tools) };
  }
  const messages = tools.prompt(question);
  const written = await tools.write({ messages, maxTokens: tools.settings.maxTokens, logprobs: true });
  return {
    confidence: written.meanLogprob ?? Number.NEGATIVE_INFINITY,
    solution: asSolution(written, tools),
  };
}
