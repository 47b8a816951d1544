/** @file Strategies by which aptitudes are measured: a question after a solved one. */

import { chainOfThought } from "../../reasoning/strategies/prompted.ts";
import { toolLoop } from "../../reasoning/strategies/tool-loop.ts";
import type { Question, Strategy } from "../../reasoning/strategy.ts";
import type { Manner } from "./decision.ts";
import type { Pair } from "./pairs.ts";

/** What a question stands for: a problem, and the one that stands before it, solved. */
export type Trial = (question: Pick<Question, "id">) => { readonly asked: Pair; readonly example: Pair };

/** Answers a problem after a solved one, in words or by programs that are run (TATA, Xu et al. 2025, section 3). */
export function answerAfter(manner: Manner, trial: Trial): Strategy {
  return afterExample(manner === "words" ? chainOfThought(manner) : toolLoop(manner), manner, trial);
}

/**
 * How likely a problem's own solution in a manner is after a solved one, as the mean of ln p over its tokens: what programs print is no
 * part of it, since the model does not write it.
 */
export function scoreAfter(manner: Manner, trial: Trial): Strategy {
  const strategy: Strategy = {
    name: manner,
    needs: ["score"],
    async solve(question, tools) {
      const messages = tools.prompt(question);
      let [logprob, tokens, begun] = [0, 0, ""];
      for (const { text, isWritten } of partsOf(trial(question).asked[manner])) {
        if (isWritten) {
          const scored = await tools.score({ messages, begun: [begun] }, text);
          logprob += scored.logprob;
          tokens += scored.tokens;
        }
        begun += text;
      }
      return { answer: undefined, text: "", details: { logprob: logprob / tokens } };
    },
  };
  return afterExample(strategy, manner, trial);
}

function afterExample(strategy: Strategy, manner: Manner, trial: Trial): Strategy {
  return {
    ...strategy,
    solve(question, tools) {
      const { example } = trial(question);
      const before = [
        ...tools.prompt({ ...question, question: example.question }),
        { role: "assistant", content: example[manner] },
      ];
      return strategy.solve(question, {
        ...tools,
        prompt: (asked) => [...before, ...tools.prompt(asked)],
      });
    },
  };
}

/** A solution divided into what a model writes, and what programs print. */
function partsOf(solution: string): { readonly text: string; readonly isWritten: boolean }[] {
  return solution
    .split(/(?<=```output)(\n[\s\S]*?\n```\n)/)
    .flatMap((text, i) => (text === "" ? [] : [{ text, isWritten: i % 2 === 0 }]));
}
