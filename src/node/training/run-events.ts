/** @file What a run tells while it goes on. */

import type { Adaptation } from "../../core/adapters/adaptation.ts";
import type { EvaluationMetrics } from "../../core/training/loop.ts";
import type { DatasetReport } from "../data/load-dataset.ts";
import type { RunProgress } from "./checkpoint.ts";
import type { OwnRewards } from "./load-rewards.ts";
import type { RunStepMetrics } from "./metrics-log.ts";
import type { RunConfig } from "./run-config.ts";
import type { NamedTokens } from "./run-inputs.ts";
import type { RunSample } from "./samples.ts";

export interface RunEvents {
  /** What is being prepared, such as "reading the data". */
  onStage?(stage: string): void;
  /** The run as planned, before its first step. */
  onPlan?(plan: RunPlan): void;
  /** @param secondsLeft until the end of the run, evaluations included */
  onStep?(metrics: RunStepMetrics, progress: RunProgress, secondsLeft: number): void;
  onEvaluation?(metrics: EvaluationMetrics): void;
  /** An answer to one of `sample_prompts`, written before the evaluation of its step. */
  onSample?(sample: RunSample): void;
  /** Rewards of one's own, by the names that the option `reward` gives them; the run is resumed with the same. */
  readonly rewards?: OwnRewards;
  /**
   * Puts frozen tensors beside those that the method trains; the run is resumed with the same. They are in its result too, which is an adapter that
   * nobody else can read.
   */
  adapt?(adaptation: Adaptation): Adaptation;
  /** Aborting it ends the run as soon as a program has run, with a checkpoint of the last whole step. */
  readonly signal?: AbortSignal;
}

export interface RunPlan {
  readonly config: RunConfig;
  readonly dataset: DatasetReport;
  readonly heldOut: number;
  readonly totalSteps: number;
  /** How often the held-out loss is looked at in the whole run. */
  readonly evaluations: number;
  readonly segmentSize: number;
  readonly trainableParameters: number;
  readonly tokens?: NamedTokens;
}
