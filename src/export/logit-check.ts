/** @file The check that what was written computes what it shall: by logits. */

import { type AdaptedModel, noAdapter } from "../adapters/adapted-model.ts";
import { createEngine } from "../engine/engine.ts";
import { InputError } from "../errors.ts";
import type { Device } from "../runtime/device.ts";

export interface LogitCheck {
  /** Largest difference between the logits of what was written and of model and adapter, over a few tokens. */
  readonly maxLogitDifference: number;
  /** Largest magnitude of these logits. */
  readonly maxLogit: number;
}

/** What float32 rounding in another order makes, as a share of the largest logit. */
export const float32Tolerance = 1e-4;

/**
 * Compares the logits of `written`, opened from the file or folder `path`, with those of `original`.
 *
 * @param tolerance share of the largest logit by which they may differ
 * @throws InputError if they differ by more.
 */
export async function checkLogits(
  device: Device,
  original: AdaptedModel,
  written: AdaptedModel,
  { path, tolerance }: { readonly path: string; readonly tolerance: number },
): Promise<LogitCheck> {
  const length = Math.min(32, ...[original, written].map(({ config }) => config.maxPositionEmbeddings));
  const before = await probeLogits(device, original, length);
  const after = await probeLogits(device, written, length);
  const maxLogit = before.reduce((max, logit) => Math.max(max, Math.abs(logit)), 0);
  const maxLogitDifference = before.reduce((max, logit, i) => Math.max(max, Math.abs(logit - after[i]!)), 0);
  if (!(maxLogitDifference <= tolerance * Math.max(1, maxLogit))) {
    throw new InputError(
      `What was written to ${path} does not compute what model and adapter do: its logits differ by up to ${maxLogitDifference}; do not use it.`,
    );
  }
  return { maxLogitDifference, maxLogit };
}

/** Logits of the last of `length` tokens spread over the vocabulary. */
async function probeLogits(device: Device, model: AdaptedModel, length: number): Promise<Float32Array> {
  const { adaptation, parameters } = model.adapter ?? noAdapter;
  const engine = createEngine(device, model.config, model.weights, adaptation, { segmentSize: 1 });
  const batch = {
    rows: 1,
    length,
    inputIds: Int32Array.from({ length }, (_, i) =>
      Math.floor(((i + 0.5) * model.config.vocabSize) / length),
    ),
    positionIds: Int32Array.from({ length }, (_, i) => i),
    segmentIds: new Int32Array(length).fill(1),
  };
  const logits = await engine.logits(batch, Int32Array.of(length - 1), parameters);
  await engine.release();
  return logits;
}
