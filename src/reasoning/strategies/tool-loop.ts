/** @file Programs between the lines of a solution, run as they come (TATA's inference, Xu et al. 2025, arXiv 2502.12022, algorithm 1). */

import { cutText } from "../../sandbox/bounded-text.ts";
import type { ProgramResult } from "../../sandbox/code-runner.ts";
import type { Strategy } from "../strategy.ts";

/** Rounds of writing, with a program run between two of them. */
const rounds = 6;
const outputBegins = "```output";
const mostOutput = 400;

/**
 * The model writes until it awaits the output of a program; the last program is run, its output put there, and the model goes on,
 * up to six times. In the last round it is told that there will be no more.
 */
export function toolLoop(name: string): Strategy {
  return {
    name,
    needs: ["continue"],
    runsCode: true,
    async solve(question, tools) {
      const messages = tools.prompt(question);
      let text = "";
      let programs = 0;
      let failures = 0;
      let left = tools.settings.maxTokens;
      for (let round = 1; ; round++) {
        const part = await tools.write({ messages, begun: [text], maxTokens: left, stop: [outputBegins] });
        text += part.text;
        left -= part.tokens;
        const details = { programs, failures };
        const program = part.reason === "stop" && awaitsOutput(text) ? lastProgram(text) : undefined;
        if (program === undefined || round === rounds || left <= 0) {
          return { answer: tools.extract(text), text, isCut: part.reason === "length", details };
        }
        const result = await tools.run(program);
        programs++;
        if (result.reason !== "ok") failures++;
        text = `${text.trimEnd()}\n${outputBegins}\n${shown(result)}\n\`\`\`\n`;
        if (round === rounds - 1) text += "Reach max function call limit.\n";
      }
    },
  };
}

/** Whether a text breaks off behind a program and gives no answer yet. */
function awaitsOutput(text: string): boolean {
  return text.trimEnd().endsWith("```") && !text.includes("\\boxed");
}

/** The last program in a text; undefined if there is none. */
export function lastProgram(text: string): string | undefined {
  return [...text.matchAll(/```python\n([\s\S]*?)```/g)].at(-1)?.[1];
}

/** What a program printed, or its error, cut in the middle. */
function shown({ stdout, error }: ProgramResult): string {
  return cutText((error ?? stdout).trim(), mostOutput);
}
