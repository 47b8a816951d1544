/** @file A writer for tests, whose texts are given, and tools over it. */

import { mathematicalJudge } from "./judge.ts";
import type { Problem } from "./problem.ts";
import { defaultSettings } from "./run-reasoning.ts";
import type { ReasoningSettings, Strategy } from "./strategy.ts";
import { createTools, type Workshop } from "./tools.ts";
import { begunText, type TextRequest, type Writer, type Written } from "./writer.ts";

/** What a script says of a request: a text that ends by itself, of as many tokens as it has words, or more about it. */
type Line = string | ({ readonly text: string } & Partial<Written>);

export interface ScriptedWriter extends Writer {
  /** All that was asked for, in order; `after` is what the turn was begun with. */
  readonly asked: (TextRequest & { readonly after: string })[];
}

export function scriptedWriter(script: (request: TextRequest, number: number) => Line): ScriptedWriter {
  const asked: ScriptedWriter["asked"] = [];
  return {
    asked,
    identity: "script",
    name: "a script",
    chat: true,
    abilities: ["continue", "logprobs", "score"],
    countTokens: countWords,
    countPrompt: () => 10,
    async write(request) {
      asked.push({ ...request, after: begunText(request.begun) });
      const line = script(request, asked.length - 1);
      const { text, ...more } = typeof line === "string" ? { text: line } : line;
      const tokens = countWords(text);
      const costs = { tokens, promptTokens: 10, computedPromptTokens: 10, seconds: 0.5 };
      return { text, reason: "stop", ...costs, ...more };
    },
    async score(_, text) {
      return { logprob: -text.length, tokens: countWords(text), seconds: 0.25 };
    },
    async release() {},
  };
}

export function countWords(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}

export const problem: Problem = { task: "sums", id: "0", question: "What is 3 + 4?", gold: "7" };

/** Has one problem solved by a strategy. */
export async function solve(
  strategy: Strategy,
  writer: Writer,
  settings: Partial<ReasoningSettings> = {},
  more: Partial<Workshop> = {},
  asked: Problem = problem,
) {
  const kept = new Map<string, unknown>();
  const workshop: Workshop = {
    settings: { ...defaultSettings, ...settings },
    writer,
    others: new Map(),
    log: {
      find: (key, shape) => shape.optional().parse(kept.get(key)),
      isTaken: () => false,
      append: (key, answer) => void kept.set(key, answer),
      close() {},
    },
    judge: mathematicalJudge,
    seed: 0,
    signal: new AbortController().signal,
    ...more,
  };
  const { tools, meter, steps, countComputed } = createTools(workshop, strategy, asked);
  const solution = await strategy.solve(asked, tools);
  return { solution, meter, steps, computed: countComputed() };
}
