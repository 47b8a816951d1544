/** @file Items that are texts: how likely is all of each? */

import type { OutputType } from "./output-type.ts";

/** The text as it stands in the data, by whose words and bytes perplexities are counted. */
export interface Original {
  readonly original: string;
}

export interface Predicted extends Original {
  /** Of the whole text, in nats. */
  readonly logLikelihood: number;
}

export const loglikelihoodRolling: OutputType<"loglikelihood_rolling", Original, Predicted> = {
  defaultMetrics: ["word_perplexity", "byte_perplexity", "bits_per_byte"],
  takesExamples: false,

  prepare({ definition: { measured_text }, doc, rendered }) {
    const text = String(rendered.target);
    const original = measured_text ? measured_text(doc) : text;
    return { requests: [{ type: "loglikelihood_rolling", text }], reference: { original } };
  },

  outcome: ({ reference }, [logLikelihood]) => ({ ...reference, logLikelihood: logLikelihood! }),

  solve: ({ requests }) => ({ question: "", answer: requests[0]!.text }),

  render: ({ requests }, [logLikelihood]) => [
    requests[0]!.text,
    "── log-likelihood ──",
    logLikelihood!.toFixed(4),
  ],
};
