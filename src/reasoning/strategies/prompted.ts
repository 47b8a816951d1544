/** @file One text whose length is asked for by the prompt, or cut: chain of thought and its short relatives. */

import type { PromptOptions } from "../prompts.ts";
import type { Question, Solution, Strategy, Tools } from "../strategy.ts";
import type { Written } from "../writer.ts";

/** Chain of thought: the likeliest solution to the question under the run's instruction (Wei et al. 2022, arXiv 2201.11903). */
export function chainOfThought(name: string): Strategy {
  return { name, solve: (question, tools) => solveOnce(question, tools) };
}

/**
 * The same, cut at so many tokens, with whatever answer stands in it by then: what a claim of saving tokens has to beat at the
 * same mean length.
 */
export function cutThought(name: string, maxTokens: number): Strategy {
  return {
    name,
    async solve(question, tools) {
      const written = await tools.write({ messages: tools.prompt(question), maxTokens });
      return { ...asSolution(written, tools), target: { tokens: maxTokens, used: written.tokens } };
    },
  };
}

/** Chain of Draft: five words a step at most (Xu et al. 2025, arXiv 2502.18600). */
export function chainOfDraft(name: string): Strategy {
  const instruction =
    "Think step by step, but only keep a minimum draft for each thinking step, with 5 words at most. Return the answer at the end of the response after a separator ####.";
  return {
    name,
    solve: (question, tools) => solveOnce(question, tools, { instruction, manner: "draft" }),
  };
}

/** Concise chain of thought: the run's instruction with "Be concise." (Renze and Guven 2024, arXiv 2401.05618). */
export function conciseThought(name: string): Strategy {
  return {
    name,
    solve: (question, tools) =>
      solveOnce(question, tools, {
        instruction: `${tools.settings.instruction} Be concise.`.trim(),
        manner: "concise",
      }),
  };
}

/** The likeliest solution to a question, put in these words. */
export async function solveOnce(
  question: Question,
  tools: Tools,
  options: PromptOptions = {},
): Promise<Solution> {
  const messages = tools.prompt(question, options);
  return asSolution(await tools.write({ messages, maxTokens: tools.settings.maxTokens }), tools);
}

/** A text of a model as a solution. */
export function asSolution(written: Pick<Written, "text" | "reason">, tools: Tools): Solution {
  const { text, reason } = written;
  return { answer: tools.extract(text), text, isCut: reason === "length" };
}
