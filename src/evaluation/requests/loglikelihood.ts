/** @file Items that have one continuation: how likely is it, and would the model write it? */

import { questionOf } from "../doc-rendering.ts";
import type { LoglikelihoodResult } from "../language-model.ts";
import type { OutputType } from "./output-type.ts";

/** The target follows the prompt as it is: it begins with the white space that sets it apart. */
export const loglikelihood: OutputType<"loglikelihood", undefined, LoglikelihoodResult> = {
  defaultMetrics: ["perplexity", "acc"],
  furtherMetrics: ["bits_per_byte_gold"],

  prepare({ rendered, prompt }) {
    const context = prompt(questionOf(rendered));
    const continuation = String(rendered.target);
    return { requests: [{ type: "loglikelihood", context, continuation }], reference: undefined };
  },

  outcome: (_, [result]) => result!,

  scores: {
    perplexity: ({ logLikelihood }) => logLikelihood,
    acc: ({ isGreedy }) => Number(isGreedy),
  },

  solve({ requests }) {
    const { context, continuation } = requests[0]!;
    return { question: context, answer: continuation };
  },

  render({ requests }, [result]) {
    const { context, continuation } = requests[0]!;
    const { logLikelihood, isGreedy } = result!;
    const answer = `${logLikelihood.toFixed(4)} ${JSON.stringify(continuation)}`;
    return [context, "── continuation ──", `${answer}${isGreedy ? "" : ", not the likeliest"}`];
  },
};
