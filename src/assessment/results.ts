/** @file What an assessment found, as its results.json and scores.jsonl hold it. */

import type { Meter } from "../reasoning/meter.ts";
import type { Agreement, Consistency, Measured } from "./agreement.ts";
import type { Evidence } from "./formulations/formulation.ts";
import type { Scored } from "./pieces.ts";
import type { Reading } from "./respondent.ts";
import type { Rubric } from "./rubric.ts";

export interface AssessmentResults {
  /** The version that made it. */
  readonly slimtune: string;
  /** When it was done, in ISO 8601. */
  readonly date: string;
  readonly model: string;
  readonly adapter: string | null;
  /** The server that the texts went to; null if they stayed on this machine. */
  readonly server: string | null;
  readonly isAnonymous: boolean;
  readonly rubric: Rubric;
  readonly texts: {
    /** Texts, or windows of them, that were assessed, and the groups that they belong to. */
    readonly assessed: number;
    readonly assessedGroups: number;
    /** Labelled ones that examples were taken from, and baselines have learnt from. */
    readonly training: number;
    readonly trainingGroups: number;
  };
  /** What levels are compared with: people's ratings, levels counted from labels of turns, or nothing. */
  readonly reference: "ratings" | "labels" | null;
  /** Krippendorff's alpha among people, by dimension; null where fewer than two have rated. */
  readonly people: readonly { readonly dimension: string; readonly alpha: Measured | null }[];
  readonly reading: Reading;
  /** How examples were chosen. */
  readonly selection: string;
  readonly temperature: number;
  readonly seed: number;
  /** The ways of the model in the order in which they were named, then those without a model. */
  readonly ways: readonly WayResults[];
}

export interface WayResults {
  readonly name: string;
  /** In a sentence. */
  readonly description: string;
  /** How a model was asked; null without a model. `pieceTokens` is null where texts were shown whole. */
  readonly asked: {
    readonly formulation: string;
    readonly pieceTokens: number | null;
    readonly shots: number;
  } | null;
  /** Runs with other draws; 1 where nothing is drawn, so that another run would be the same. */
  readonly runs: number;
  readonly dimensions: readonly DimensionResults[];
}

/** What a way has found of a dimension. Costs are means over the texts and runs. */
export interface DimensionResults {
  readonly dimension: string;
  /** Share of texts without a level. */
  readonly failed: number;
  /** Of the levels with the reference; null without one. */
  readonly agreement: Agreement | null;
  /** Quadratic weighted kappa of the expected level, rounded. Null without a reference, or where answers were written. */
  readonly expectedKappa: Measured | null;
  /** How well turns are told apart by how probable yes is: area under the ROC curve. Null without labels, or of other formulations. */
  readonly turnArea: Measured | null;
  /** Null of one run. */
  readonly consistency: Consistency | null;
  /** Quotes, and how many of them stand in the text. */
  readonly quotes: { readonly given: number; readonly standing: number } | null;
  readonly usage: Pick<Meter, "promptTokens" | "completionTokens" | "verifierTokens" | "calls" | "seconds">;
}

/** The level of a text by one way; its probabilities are means over the runs. */
export interface TextScore extends Omit<Scored, "evidence"> {
  readonly text: string;
  readonly group: string;
  readonly dimension: string;
  readonly way: string;
  /** The middle of the runs' levels, the lower one of two; null if no run gave one. */
  readonly level: number | null;
  readonly reference: number | null;
  /** The level of each run. */
  readonly runs: readonly (number | null)[];
  /** Of the first run, as are the turns. */
  readonly evidence: readonly Evidence[];
}
