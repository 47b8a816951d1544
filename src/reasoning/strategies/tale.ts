/** @file Token budgets that the model estimates, or that are searched for (TALE, Han et al. 2024, arXiv 2412.18547). */

import type { Question, Solution, Strategy, Tools } from "../strategy.ts";
import { solveOnce } from "./prompted.ts";

/** TALE-EP: the model estimates how many tokens it needs, and is then asked to use less. The estimate's own tokens count. */
export function estimatedBudget(name: string): Strategy {
  return {
    name,
    async solve(question, tools) {
      const estimate = await tools.write({
        messages: [{ role: "user", content: askForBudget(question.question) }],
        maxTokens: estimateTokens,
      });
      const budget = readBudget(estimate.text);
      if (budget === undefined) {
        const solution = await solveOnce(question, tools);
        return { ...solution, details: { budget: "none was given" } };
      }
      return { ...(await solveWithin(budget, question, tools)), details: { budget } };
    },
  };
}

/**
 * The smallest budget with which the answer stays right, by TALE's search. An oracle: it says how short the model's solutions
 * could be if somebody knew what to ask for, and gives rows to tune on.
 */
export function searchedBudget(name: string): Strategy {
  return {
    name,
    isOracle: true,
    async solve(question, tools) {
      const first = tools.meter.completionTokens;
      const unbounded = await solveOnce(question, tools);
      const length = tools.meter.completionTokens - first;
      if (!tools.isRight(unbounded.answer)) return unbounded;
      const { best, budgets } = await searchBudget(length, unbounded, async (budget) => {
        const solution = await solveWithin(budget, question, tools);
        return { value: solution, tokens: solution.target!.used, isRight: tools.isRight(solution.answer) };
      });
      return { ...best, details: { budgets: budgets.join(" ") } };
    },
  };
}

/**
 * Halves a budget as long as the answer stays right and takes fewer tokens than the one before (section 4.2, with the greedy
 * choice of budgets).
 *
 * @param length of the right solution without a budget, in tokens
 * @returns the last solution that was right and shorter, or the first, and all budgets that were tried
 */
export async function searchBudget<T>(
  length: number,
  first: T,
  ask: (budget: number) => Promise<{ readonly value: T; readonly tokens: number; readonly isRight: boolean }>,
): Promise<{ readonly best: T; readonly budgets: readonly number[] }> {
  const budgets: number[] = [];
  let best = first;
  let shortest = length;
  for (let budget = Math.floor(length / 2); budget >= 1; budget = Math.floor(budget / 2)) {
    budgets.push(budget);
    const { value, tokens, isRight } = await ask(budget);
    if (!isRight || tokens >= shortest) break;
    [best, shortest] = [value, tokens];
  }
  return { best, budgets };
}

/** A budget is a number of two brackets, with a few words before it. */
const estimateTokens = 48;

function askForBudget(question: string): string {
  return `Task: Analyze the given question and estimate the minimum number of tokens required to generate a complete and accurate response. Please give the response by strictly following this format: [[budget]], for example, Budget: [[12]].\n\nBelow is the question:\n\nQuestion: "${question}"`;
}

function readBudget(text: string): number | undefined {
  const found = /\[\[\s*(\d+)\s*\]\]/.exec(text)?.[1];
  const budget = Number(found);
  return found !== undefined && Number.isSafeInteger(budget) && budget > 0 ? budget : undefined;
}

async function solveWithin(budget: number, question: Question, tools: Tools): Promise<Solution> {
  const instruction = `Let's think step by step and use less than ${budget} tokens.`;
  const before = tools.meter.completionTokens;
  const solution = await solveOnce(question, tools, { instruction });
  return { ...solution, target: { tokens: budget, used: tools.meter.completionTokens - before } };
}
