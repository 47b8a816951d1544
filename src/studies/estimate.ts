/** @file How long a study will take, before it is begun. */

import { measureProductRate } from "../core/engine/product-rate.ts";
import { expectedEfficiency } from "../core/training/estimate.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import type { Part } from "./study-kind.ts";

export interface StudyEstimate {
  /** Seconds of the tuning runs and of the evaluations that are still to be computed. */
  readonly tuningSeconds: number;
  readonly evaluationSeconds: number;
}

/** Seconds that a process takes to begin, and to load a small model. */
const startSeconds = 3;

/**
 * Estimates the time of parts from the speed of matrix products, measured now, and the work that each says it has. It is
 * within a factor of two where other programs do not disturb it.
 */
export async function estimateStudy(parts: readonly Part[]): Promise<StudyEstimate> {
  const seconds = { tuning: 0, evaluation: 0 };
  const works = parts.flatMap(({ work }) => (work ? [work] : []));
  if (works.length > 0) {
    const rate = expectedEfficiency * (await measureProductRate(openDevice("cpu"), 3));
    for (const work of works) seconds[work.type] += startSeconds + (await work.flops()) / rate;
  }
  return { tuningSeconds: seconds.tuning, evaluationSeconds: seconds.evaluation };
}
