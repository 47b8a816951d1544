/** @file A run's metrics.jsonl: one line per optimizer step or evaluation. */

import type { EvaluationMetrics, StepMetrics } from "../../core/training/loop.ts";
import { readStepLog } from "./step-log.ts";

/** One optimizer step of a run. */
export interface RunStepMetrics extends StepMetrics {
  /** Highest resident memory of the process so far. */
  readonly peak_rss_bytes: number;
}

export type Metrics = RunStepMetrics | EvaluationMetrics;

/** Reads the lines of `path` that are whole; the last one may have been cut off by a crash. */
export function readMetrics(path: string): Metrics[] {
  return readStepLog(path);
}
