/** @file A task: a dataset, how an item of it becomes prompts, and how the answers are judged. */

import type { GenerationKwargs } from "./language-model.ts";

/** One item of a dataset, by its fields. */
export type Doc = Readonly<Record<string, unknown>>;

/** An item that is ready to be asked, with everything needed to judge the answers. */
export interface Instance {
  /** Position in the evaluated split. */
  readonly docId: number;
  readonly doc: Doc;
  /** The item's correct answer as the harness logs it: a choice's index, or a text. */
  readonly target: number | string;
  readonly requests: InstanceRequests;
}

export type InstanceRequests =
  | {
      readonly type: "multiple_choice";
      /** One per choice: [context, continuation]. */
      readonly pairs: readonly (readonly [string, string])[];
      /** The choices as they stand in the data, without the delimiter; their lengths normalize acc_norm. */
      readonly choices: readonly string[];
      /** Index of the correct choice. */
      readonly gold: number;
    }
  | { readonly type: "generate_until"; readonly context: string; readonly options: GenerationKwargs }
  | {
      readonly type: "loglikelihood_rolling";
      readonly text: string;
      /** The text as it stands in the data, by whose words and bytes perplexities are counted. */
      readonly original: string;
    };

/** A step of a filter, by the harness's names. */
export type FilterStep =
  | {
      readonly function: "regex";
      /** A regular expression of Python. */
      readonly regex_pattern: string;
      /** Which match is taken: 0 (default) the first, -1 the last. */
      readonly group_select?: number;
      /** Stands for an answer without a match. Default "[invalid]". */
      readonly fallback?: string;
    }
  | { readonly function: "take_first" }
  | { readonly function: "remove_whitespace" }
  | { readonly function: "lowercase" };

export interface Filter {
  readonly name: string;
  readonly filter: readonly FilterStep[];
}

export type Metric =
  | { readonly metric: "acc" | "acc_norm" | "acc_bytes" }
  | {
      readonly metric: "exact_match";
      readonly ignore_case?: boolean;
      readonly ignore_punctuation?: boolean;
      /** Regular expressions of Python, removed from answer and reference in this order. */
      readonly regexes_to_ignore?: readonly string[];
    }
  | {
      readonly metric: "judged";
      readonly judge: Judge;
    }
  | { readonly metric: "word_perplexity" | "byte_perplexity" | "bits_per_byte" };

/** Says how good an answer is, from 0 to 1. */
export type Judge = (answer: string, target: string, doc: Doc) => number;

/** A task whose items have been made ready. */
export interface PreparedTask {
  /** Such as "hellaswag". */
  readonly name: string;
  /** The version of the harness's definition that it equals, or the user's own. */
  readonly version: string;
  readonly outputType: "multiple_choice" | "generate_until" | "loglikelihood_rolling";
  readonly numFewshot: number;
  readonly instances: readonly Instance[];
  /** Number of items of the split, of which `instances` may be the first few. */
  readonly size: number;
  readonly metrics: readonly Metric[];
  /** Applied to generated answers; each gives scores of its own. Empty: one filter "none" that takes the answer as it is. */
  readonly filters: readonly Filter[];
  /** SHA-256 of all prompts and continuations, in hexadecimal. */
  readonly promptHash: string;
  /** The task's definition as plain data, for the "configs" of the results. */
  readonly config: Readonly<Record<string, unknown>>;
}
