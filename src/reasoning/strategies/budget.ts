/** @file A hard limit on thoughts, and thoughts that are made to go on (s1's budget forcing, Muennighoff et al. 2025, arXiv 2501.19393). */

import { InputError } from "../../core/errors.ts";
import { answerTokens, type Solution, type Strategy, type Tools, type WriterFacts } from "../strategy.ts";
import { begunText, type WriteRequest, type Written } from "../writer.ts";

/**
 * At most so many tokens of thoughts, without those that end them. Where a model's thoughts have a token that
 * ends them it is put there, as that token; other models' solutions are cut, and the answer is asked for. A solution that is done
 * by then stays as it is.
 */
export function hardBudget(name: string, budget: number): Strategy {
  return {
    name,
    needs: ["continue"],
    check: (writer) => checkBudget(name, budget, writer),
    async solve(question, tools) {
      const messages = tools.prompt(question);
      const thoughts = await tools.write({ messages, maxTokens: budget, stopAfterThoughts: true });
      const target = { tokens: budget, used: thoughts.tokens };
      if (thoughts.reason === "stop") {
        return {
          answer: tools.extract(thoughts.text),
          text: thoughts.text,
          target,
          details: { forced: false },
        };
      }
      const solution = await answerAfter({ messages, begun: [thoughts] }, tools);
      return { ...solution, target, details: { forced: thoughts.reason === "length" } };
    },
  };
}

/** What makes thoughts go on. */
const goOn = "\nWait";

/**
 * Thoughts of up to so many tokens: where they end before, "Wait" is put in place of their end, so many times at most. With the
 * budget used up they are ended as by {@link hardBudget}.
 */
export function budgetForcing(name: string, budget: number, most: number): Strategy {
  return {
    name,
    needs: ["continue"],
    check: (writer) => checkBudget(name, budget, writer),
    async solve(question, tools) {
      const messages = tools.prompt(question);
      const begun: (string | Written)[] = [];
      let used = 0;
      let waits = 0;
      for (;;) {
        const part = await tools.write({
          messages,
          begun,
          maxTokens: budget - used,
          stopAfterThoughts: true,
        });
        begun.push(part);
        used += part.tokens;
        if (part.reason === "length" || used >= budget || waits === most) {
          const target = { tokens: budget, used };
          const details = { waits };
          if (part.reason === "stop") {
            const text = begunText(begun);
            return { answer: tools.extract(text), text, target, details };
          }
          return { ...(await answerAfter({ messages, begun }, tools)), target, details };
        }
        begun.push(goOn);
        waits++;
      }
    },
  };
}

/** The answer after thoughts that are over, whether the model ended them or not. */
export async function answerAfter(
  { messages, begun }: Required<Pick<WriteRequest, "messages" | "begun">>,
  tools: Tools,
): Promise<Solution> {
  const last = begun.at(-1);
  const openThoughts = typeof last === "object" ? last.openThoughts : undefined;
  const closing = openThoughts ?? tools.settings.answerCue;
  const answer = await tools.write({
    messages,
    begun: [...begun, closing],
    // What a cue asks for stands in its line.
    ...(openThoughts === undefined
      ? { maxTokens: answerTokens, stop: ["\n"] }
      : { maxTokens: tools.settings.maxTokens }),
  });
  const text = closing + answer.text;
  return {
    answer: tools.extract(text),
    text: begunText(begun) + text,
    isCut: answer.reason === "length",
  };
}

/** A budget below what only asks for the answer leaves nothing to think with. */
function checkBudget(name: string, budget: number, { countTokens, settings }: WriterFacts): void {
  const closing = countTokens?.(settings.answerCue) ?? 0;
  if (budget > closing) return;
  throw new InputError(
    `The strategy ${name}: a budget of ${budget} tokens is no more than ${JSON.stringify(settings.answerCue)} takes, ${closing}, which only asks for the answer; take a larger one.`,
  );
}
