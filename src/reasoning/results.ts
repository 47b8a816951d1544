/** @file What a run found, as its results.json holds it. */

import type { Cost, CurvePoint, DifficultyBin, Gain } from "./analysis.ts";
import type { ReasoningSettings } from "./strategy.ts";

export interface ReasoningResults {
  /** The version that made it. */
  readonly slimtune: string;
  /** When it was done, in ISO 8601. */
  readonly date: string;
  readonly model: string;
  readonly adapter: string | null;
  readonly seed: number;
  readonly settings: ReasoningSettings;
  /** What scored steps, for people; null if nothing was there to. */
  readonly scorer: string | null;
  /** Which tokens the curves are over. */
  readonly cost: Cost;
  readonly tasks: readonly { readonly name: string; readonly problems: number }[];
  /** Of each task. */
  readonly curves: readonly Curve[];
  /** Over whole solutions at the same budget; empty if none were drawn under one. */
  readonly gains: readonly Gain[];
}

/** Accuracy against tokens. */
export interface Curve {
  readonly task: string;
  /** One for each strategy, in the order in which they were named. */
  readonly points: readonly CurvePoint[];
  /** Empty if the right solutions show no calculations. */
  readonly difficulty: readonly DifficultyBin[];
}
