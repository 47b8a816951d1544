/**
 * @file The causal term of DCA (Wang et al. 2024, arXiv 2409.02686; as its release computes it): how much what the first prompts of the
 * last layer add differs between the texts of a batch. Made small, they can hold only what all texts share.
 */

import type { Parameters } from "../adapters/parameters.ts";
import type { TokenBatch } from "../data/batch.ts";
import type { Engine } from "../engine/engine.ts";

export interface CausalTerm {
  readonly name: "causal";
  readonly weight: number;
  mean(): number;
  /** The gradients of the weighted term by the contributions of each batch, [rows, length, hiddenSize]. */
  readonly gradients: ReadonlyMap<TokenBatch, Float32Array>;
}

/**
 * Computes the term over all texts of a step, whose batches stand for it together.
 *
 * @throws Error if the adaptation has no contribution.
 */
export async function computeCausalTerm(
  engine: Engine,
  parameters: Parameters,
  batches: readonly TokenBatch[],
  weight: number,
): Promise<CausalTerm> {
  const contributions = new Map<TokenBatch, Float32Array>();
  for (const batch of batches) contributions.set(batch, await engine.contributions(batch, parameters));
  const { mean, gradients } = varianceOverTexts(contributions, weight);
  return { name: "causal", weight, mean: () => mean, gradients };
}

/**
 * The unbiased variance over texts of values at the same place and channel, averaged over the channels and those places at which
 * at least two texts have a token; 0 if there is none.
 *
 * @param values of each batch, [rows, length, width] in row-major order; those of padding have no part
 * @param weight of the mean in the loss that the gradients are of
 */
export function varianceOverTexts(
  values: ReadonlyMap<TokenBatch, Float32Array>,
  weight = 1,
): { readonly mean: number; readonly gradients: ReadonlyMap<TokenBatch, Float32Array> } {
  const all = [...values];
  const places =
    all.reduce((most, [{ positionIds }]) => positionIds.reduce((a, b) => Math.max(a, b), most), 0) + 1;
  const width = all.length === 0 ? 0 : all[0]![1].length / all[0]![0].positionIds.length;
  const counts = new Float64Array(places);
  const means = new Float64Array(places * width);
  /** @param visit a token's place, and where its values stand */
  const forEachToken = (
    visit: (place: number, values: Float32Array, start: number, batch: TokenBatch) => void,
  ) => {
    for (const [batch, ofBatch] of all)
      for (const [token, place] of batch.positionIds.entries())
        if (batch.segmentIds[token] !== 0) visit(place, ofBatch, token * width, batch);
  };
  forEachToken((place, ofBatch, start) => {
    counts[place]!++;
    for (let c = 0; c < width; c++) means[place * width + c]! += ofBatch[start + c]!;
  });
  for (const i of means.keys()) means[i]! /= Math.max(1, counts[Math.floor(i / width)]!);
  const compared = width * counts.reduce((sum, count) => sum + (count > 1 ? 1 : 0), 0);
  const gradients = new Map(all.map(([batch, ofBatch]) => [batch, new Float32Array(ofBatch.length)]));
  let mean = 0;
  forEachToken((place, ofBatch, start, batch) => {
    if (counts[place]! < 2) return;
    const share = 1 / ((counts[place]! - 1) * compared);
    const gradient = gradients.get(batch)!;
    for (let c = 0; c < width; c++) {
      const deviation = ofBatch[start + c]! - means[place * width + c]!;
      mean += share * deviation * deviation;
      gradient[start + c] = 2 * weight * share * deviation;
    }
  });
  return { mean, gradients };
}
