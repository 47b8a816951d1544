/** @file Between examples and the labels of the micro-batches in which their texts are computed. */

import type { Parameters } from "../adapters/parameters.ts";
import { countLabels, type MicroBatch, type TokenizedExample } from "../data/batch.ts";
import type { TrainingExample } from "../data/training-example.ts";
import type { Engine } from "../engine/engine.ts";
import type { ScoredExample } from "../objectives/objective.ts";

/** An example with the reference's log-probabilities of its texts' labels, where the objective needs them. */
export interface ReferencedExample extends TrainingExample {
  readonly reference?: readonly ArrayLike<number>[];
  /** The same by the model that wrote the texts, where they are learnt from in several steps. */
  readonly old?: readonly ArrayLike<number>[];
}

/** A value for each label of each text, to be filled. */
export function createLabelValues(texts: readonly TokenizedExample[]): Float64Array[] {
  return texts.map((text) => new Float64Array(countLabels(text)));
}

/** Puts the values of a micro-batch's labels where they belong among those of the texts. */
export function scatterLabels(
  { labelExamples }: MicroBatch,
  values: ArrayLike<number>,
  ofTexts: readonly Float64Array[],
): void {
  for (const [i, [text, at]] of placesOf(labelExamples).entries()) ofTexts[text]![at] = values[i]!;
}

/** The values of a micro-batch's labels, from those of the texts. */
export function gatherLabels(
  { labelExamples }: MicroBatch,
  ofTexts: readonly Float64Array[],
): Float32Array<ArrayBuffer> {
  return Float32Array.from(placesOf(labelExamples), ([text, at]) => ofTexts[text]![at]!);
}

/** Of each label the number of its text, and its own number in the text. */
function placesOf(labelExamples: Int32Array): [text: number, at: number][] {
  const done = new Map<number, number>();
  return Array.from(labelExamples, (text) => {
    const at = done.get(text) ?? 0;
    done.set(text, at + 1);
    return [text, at];
  });
}

/**
 * The log-probability of each label of each text, in nats.
 *
 * @param batches the texts, divided
 * @param onBatch called before each batch
 */
export async function scoreTexts(
  engine: Engine,
  parameters: Parameters,
  texts: readonly TokenizedExample[],
  batches: readonly MicroBatch[],
  onBatch?: (done: number) => void,
): Promise<Float64Array[]> {
  const scores = createLabelValues(texts);
  for (const [done, batch] of batches.entries()) {
    onBatch?.(done);
    if (batch.labels.length === 0) continue;
    scatterLabels(batch, await engine.score(batch, parameters), scores);
  }
  return scores;
}

/** The examples as objectives see them. @param scores of all their texts, in order */
export function toScored(
  examples: readonly ReferencedExample[],
  scores: readonly Float64Array[],
): ScoredExample[] {
  let next = 0;
  return examples.map(({ texts, reference, old, weight = 1, label, stepLabels, rewards }) => ({
    texts: texts.map((_, i) => ({
      logProbabilities: scores[next++]!,
      reference: Float64Array.from(reference?.[i] ?? []),
      ...(old && { old: Float64Array.from(old[i]!) }),
    })),
    weight,
    ...(label !== undefined && { label }),
    ...(stepLabels && { stepLabels }),
    ...(rewards && { rewards }),
  }));
}
