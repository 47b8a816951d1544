/** @file Items with several choices, of which the likeliest counts as the answer. */

import type { LoglikelihoodResult, ModelRequest } from "../language-model.ts";
import type { OutputType } from "./output-type.ts";

export interface Choices {
  /** As they stand in the data, without the delimiter. */
  readonly choices: readonly string[];
  /** Number of the correct one. */
  readonly gold: number;
}

export interface AnsweredChoices extends Choices {
  /** One per choice. */
  readonly results: readonly LoglikelihoodResult[];
}

/** One request for each choice. */
export const multipleChoice: OutputType<"loglikelihood", Choices, AnsweredChoices> = {
  defaultMetrics: ["acc", "acc_norm"],
  furtherMetrics: ["bits_per_byte_gold"],
  hasChoices: true,

  prepare({ rendered: { text, choices = [], target }, prompt, targetDelimiter }) {
    const request = (context: string, answer: string | number): ModelRequest<"loglikelihood"> => ({
      type: "loglikelihood",
      context,
      continuation: `${targetDelimiter}${answer}`,
    });
    if (typeof text === "number") {
      const requests = choices.map((choice) => request(prompt(choice), target));
      return { requests, reference: { choices, gold: checkGold(text, choices) } };
    }
    const context = prompt(text);
    const requests = choices.map((choice) => request(context, choice));
    const gold = typeof target === "number" ? target : choices.indexOf(target);
    return { requests, reference: { choices, gold: checkGold(gold, choices, target) } };
  },

  outcome: ({ reference }, results) => ({ ...reference, results }),

  solve({ requests, reference }) {
    const { context, continuation } = requests[reference.gold]!;
    return { question: context, answer: continuation };
  },

  render({ requests, reference }, results) {
    const first = requests[0]!.context;
    const lines = requests.map(({ context, continuation }, i) => {
      // Where the choices stand before the answer, each has a context of its own.
      const text = context === first ? continuation : `${context}${continuation}`;
      const mark = i === reference.gold ? "✓" : " ";
      return `${mark} ${results[i]!.logLikelihood.toFixed(4)} ${JSON.stringify(text)}`;
    });
    return [first, "── choices ──", ...lines];
  },
};

function checkGold(gold: number, choices: readonly string[], target: unknown = gold): number {
  if (Number.isInteger(gold) && gold >= 0 && gold < choices.length) return gold;
  throw new Error(
    `the label ${JSON.stringify(target)} is none of the ${choices.length} choices; they are counted from 0`,
  );
}
