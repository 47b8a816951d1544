/** @file What a metric must say of itself: what it gives for an item, how items are summed up, and which way is better. */

import type { z } from "zod";
import type { OutcomeOf, OutputTypeName } from "../requests/output-types.ts";
import type { Aggregation, ItemScore } from "./aggregations.ts";

/** @typeParam Settings what a task's definition says beside the metric's name */
export interface Metric<Settings = object> {
  readonly aggregation: Aggregation;
  readonly higherIsBetter: boolean;
  /** The settings that a file may give. */
  readonly settings?: z.ZodRawShape;
  /** Those of the settings that are regular expressions of Python. */
  patterns?(settings: Settings): readonly string[];
  /** What it gives for an item, by the output types that it knows of; a newer type says it itself. */
  readonly score: { readonly [T in OutputTypeName]?: Scorer<OutcomeOf<T>, Settings> };
  /** What it gives for an item by its right answer alone, whatever the item's type and the filters of its answers. */
  scoreGold?(gold: ScoredGold): ItemScore;
}

/** An item's right answer, scored. */
export interface ScoredGold {
  /** As it follows the prompt, with the white space that sets it apart. */
  readonly continuation: string;
  /** In nats. */
  readonly logLikelihood: number;
}

/** What is given for an item. The type of a method, so that a table may hold those of all outcomes. */
export type Scorer<Outcome, Settings = object> = {
  score(outcome: Outcome, settings: Settings): ItemScore;
}["score"];
