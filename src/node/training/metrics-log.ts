/** @file A run's metrics.jsonl: one line per optimizer step or evaluation. */

import { openAppendLog } from "../files/append-log.ts";
import { readWhole } from "../files/read.ts";
import { writeWhole } from "../files/write.ts";
import type { Progress } from "./checkpoint.ts";

/** One optimizer step. */
export interface StepMetrics {
  readonly step: number;
  /** Mean negative log-likelihood of the step's trained tokens, in nats. */
  readonly loss: number;
  readonly learning_rate: number;
  /** Norm of the gradients before clipping. */
  readonly grad_norm: number;
  readonly epoch: number;
  /** Tokens that were trained on, and tokens that passed through the model, padding excluded. */
  readonly trained_tokens: number;
  readonly tokens: number;
  /** Wall time of the step. */
  readonly seconds: number;
  /** Highest resident memory of the process so far. */
  readonly peak_rss_bytes: number;
}

/** One evaluation on the held-out examples, after `step` updates. */
export interface EvaluationMetrics {
  readonly step: number;
  readonly eval_loss: number;
  readonly eval_tokens: number;
  readonly seconds: number;
}

export type Metrics = StepMetrics | EvaluationMetrics;

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
