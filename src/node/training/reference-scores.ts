/** @file What the model says of the texts before a run, kept in the run's folder: the reference of objectives that need one. */

import { existsSync } from "node:fs";
import type { Parameters } from "../../core/adapters/parameters.ts";
import { type BatchOptions, buildMicroBatches } from "../../core/data/batch.ts";
import type { TrainingExample } from "../../core/data/training-example.ts";
import type { Engine } from "../../core/engine/engine.ts";
import { InputError } from "../../core/errors.ts";
import { concatenate } from "../../core/models/matrix-rows.ts";
import {
  createLabelValues,
  type ReferencedExample,
  scoreTexts,
} from "../../core/training/scored-examples.ts";
import { openSafetensorsFile, writeSafetensors } from "../formats/safetensors.ts";

/** The tensor of all labels' log-probabilities, in the order of the examples and their texts. */
const tensorName = "log_probabilities";

/** Texts that are scored before the progress is told again. */
const textsPerStage = 32;

export interface ReferenceSource {
  readonly engine: Engine;
  /** Trained tensors as the run begins. */
  readonly parameters: Parameters;
  readonly batching: BatchOptions;
  onStage?(stage: string): void;
}

/**
 * Gives examples the reference's log-probabilities: those in the file `path` or, if there is none yet, those that the model has as
 * the run begins, which then are written there.
 *
 * @throws InputError if the file is damaged, or of other examples.
 */
export async function addReference(
  examples: readonly TrainingExample[],
  path: string,
  source: ReferenceSource,
): Promise<ReferencedExample[]> {
  const texts = examples.flatMap((example) => example.texts);
  if (!existsSync(path)) {
    const scores: Float64Array[] = [];
    for (let start = 0; start < texts.length; start += textsPerStage) {
      source.onStage?.(`log-probabilities before tuning: ${start}/${texts.length} texts`);
      const some = texts.slice(start, start + textsPerStage);
      const batches = buildMicroBatches(some, source.batching);
      scores.push(...(await scoreTexts(source.engine, source.parameters, some, batches)));
    }
    const data = concatenate(scores.map((values) => Float32Array.from(values)));
    await writeSafetensors(path, [{ name: tensorName, dtype: "float32", shape: [data.length], data }]);
  }
  const values = await readScores(path);
  const sizes = createLabelValues(texts).map(({ length }) => length);
  if (values.length !== sizes.reduce((sum, size) => sum + size, 0)) {
    throw new InputError(`${path} is of other examples than the run's; remove it, and it is computed again.`);
  }
  let done = 0;
  let text = 0;
  return examples.map((example) => ({
    ...example,
    reference: example.texts.map(() => {
      const size = sizes[text++]!;
      done += size;
      return values.subarray(done - size, done);
    }),
  }));
}

async function readScores(path: string): Promise<Float32Array> {
  const file = await openSafetensorsFile(path);
  try {
    return await file.readFloat32(tensorName);
  } finally {
    file.close();
  }
}
