/** @file A run's metrics.jsonl: one line per optimizer step or evaluation. */

import type { EvaluationMetrics, Progress, StepMetrics } from "../../core/training/loop.ts";
import { openAppendLog } from "../files/append-log.ts";
import { readWhole } from "../files/read.ts";
import { writeWhole } from "../files/write.ts";

/** One optimizer step of a run. */
export interface RunStepMetrics extends StepMetrics {
  /** Highest resident memory of the process so far. */
  readonly peak_rss_bytes: number;
}

export type Metrics = RunStepMetrics | EvaluationMetrics;

export interface MetricsLog {
  append(metrics: Metrics): void;
  close(): void;
}

/** Reads the lines of `path` that are whole; the last one may have been cut off by a crash. */
export function readMetrics(path: string): Metrics[] {
  const text = readWhole(path, { isOptional: true })?.toString("utf8") ?? "";
  const metrics: Metrics[] = [];
  for (const line of text.split("\n")) {
    try {
      metrics.push(JSON.parse(line));
    } catch {
      break;
    }
  }
  return metrics;
}

/** Opens the log to go on from `progress`: lines of what comes after it, of a run that was interrupted, are dropped. */
export function openMetricsLog(path: string, { step, evaluated }: Progress): MetricsLog {
  const isDone = (line: Metrics) => line.step < step || (line.step === step && ("loss" in line || evaluated));
  const kept = readMetrics(path).filter(isDone);
  writeWhole(path, kept.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const log = openAppendLog(path);
  return { append: (line) => log.append(`${JSON.stringify(line)}\n`), close: log.close };
}
