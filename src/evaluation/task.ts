/** @file A task: a dataset, how an item of it becomes prompts, and how the answers are judged. */

import type { ModelRequest, RequestType } from "./language-model.ts";
import type { TaskMetric } from "./metrics/metrics.ts";
import type { OutputTypeName } from "./requests/output-types.ts";

/** One item of a dataset, by its fields. */
export type Doc = Readonly<Record<string, unknown>>;

/** An item that is ready to be asked, with everything needed to judge the answers. */
export interface Instance<Type extends RequestType = RequestType, Reference = unknown> {
  /** Position in the evaluated split. */
  readonly docId: number;
  readonly doc: Doc;
  /** The item's correct answer as the harness logs it: a choice's index, or a text. */
  readonly target: number | string;
  readonly requests: readonly ModelRequest<Type>[];
  /** What its output type needs beside the target to judge the answers. */
  readonly reference: Reference;
  /** The right answer after the prompt, which is asked how likely it is; absent if the item has none. */
  readonly gold?: ModelRequest<"loglikelihood">;
}

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

/** A task whose items have been made ready. */
export interface PreparedTask {
  /** Such as "hellaswag". */
  readonly name: string;
  /** The version of the harness's definition that it equals, or the user's own. */
  readonly version: string;
  readonly outputType: OutputTypeName;
  readonly numFewshot: number;
  readonly instances: readonly Instance[];
  /** Number of items of the split, of which `instances` may be the first few. */
  readonly size: number;
  readonly metrics: readonly TaskMetric[];
  /** Applied to generated answers; each gives scores of its own. Empty: one filter "none" that takes the answer as it is. */
  readonly filters: readonly Filter[];
  /** SHA-256 of all prompts and continuations, in hexadecimal. */
  readonly promptHash: string;
  /** The task's definition as plain data, for the "configs" of the results. */
  readonly config: Readonly<Record<string, unknown>>;
}
