/**
 * @file The companion term of DCA's release (Wang et al. 2024, arXiv 2409.02686): how far the states are apart from which a model gives one
 * answer after two wordings of its question.
 */

import type { Parameters } from "../adapters/parameters.ts";
import type { MicroBatch } from "../data/batch.ts";
import type { TrainingExample } from "../data/training-example.ts";
import type { Engine } from "../engine/engine.ts";

export interface CompanionTerm {
  readonly name: "companion";
  readonly weight: number;
  mean(): number;
  /** The gradients of the weighted term by the states of each batch, [labels, hiddenSize]. */
  readonly gradients: ReadonlyMap<MicroBatch, Float32Array>;
}

/** Where a label's state is. */
interface Place {
  readonly batch: MicroBatch;
  readonly label: number;
}

/**
 * The squared difference of both texts' states after the final norm, averaged over the channels and the compared places of all examples, each
 * times the weight of its example; 0 if no place is compared. Two wordings are not equally long, so those places correspond from
 * which the same token of the answer is predicted: labels are compared by their order, as far as they are the same. The release compares padded
 * texts place by place, and sums.
 *
 * @param examples of two texts each
 * @param batches all their texts, divided
 */
export async function computeCompanionTerm(
  engine: Engine,
  parameters: Parameters,
  examples: readonly Pick<TrainingExample, "texts" | "weight">[],
  batches: readonly MicroBatch[],
  weight: number,
): Promise<CompanionTerm> {
  const states = new Map<MicroBatch, Float32Array>();
  const places = examples.flatMap(({ texts }) => texts.map((): Place[] => []));
  for (const batch of batches) {
    states.set(batch, await engine.states(batch, parameters));
    for (const [label, text] of batch.labelExamples.entries()) places[text]!.push({ batch, label });
  }
  const pairs = examples.flatMap(({ weight: own = 1 }, i) => {
    const [one, other] = [places[2 * i]!, places[2 * i + 1]!];
    const end = one.findIndex((place, at) => !other[at] || idAt(place) !== idAt(other[at]));
    return one
      .slice(0, end < 0 ? one.length : end)
      .map((place, at) => ({ one: place, other: other[at]!, own }));
  });
  const gradients = new Map([...states].map(([batch, { length }]) => [batch, new Float32Array(length)]));
  let mean = 0;
  for (const { one, other, own } of pairs) {
    const [a, b] = [one, other].map((place) => rowAt(states, place)) as [Float32Array, Float32Array];
    const [dA, dB] = [one, other].map((place) => rowAt(gradients, place)) as [Float32Array, Float32Array];
    const share = own / (pairs.length * a.length);
    for (let c = 0; c < a.length; c++) {
      const difference = a[c]! - b[c]!;
      mean += share * difference * difference;
      dA[c] = 2 * weight * share * difference;
      dB[c] = -dA[c]!;
    }
  }
  return { name: "companion", weight, mean: () => mean, gradients };
}

function idAt({ batch, label }: Place): number {
  return batch.labels[label]!;
}

function rowAt(values: ReadonlyMap<MicroBatch, Float32Array>, { batch, label }: Place): Float32Array {
  const all = values.get(batch)!;
  const width = all.length / batch.labels.length;
  return all.subarray(label * width, (label + 1) * width);
}
