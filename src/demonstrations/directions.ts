/** @file How like each other texts are to a model, as cosines. */

import { createRepresentation } from "../alignment/representation.ts";
import type { Model } from "../core/models/model.ts";
import type { Device } from "../core/runtime/device.ts";
import type { Demonstration } from "../evaluation/demonstration-selector.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { type Embed, keepVectors } from "./embedding.ts";

/** Vectors of length 1 of the pool and of the queries. */
export interface Directions {
  readonly pool: readonly Float32Array[];
  readonly queries: readonly Float32Array[];
}

/** Finds the directions of texts. */
export type FindDirections = (
  pool: readonly Demonstration[],
  queries: readonly Demonstration[],
  onText?: (done: number, total: number) => void,
) => Promise<Directions>;

/**
 * Directions by the {@link createRepresentation} of a model. From each is taken the mean of the pool: hidden states all point
 * about the same way, by which cosines would tell little apart (Mu and Viswanath 2018, "All-but-the-Top").
 */
export function createDirections(model: Model, device: Device = openDevice("cpu")): FindDirections {
  const embed: Embed = keepVectors(model, "lower half, mean direction of 128 tokens", async (texts) => {
    const representation = createRepresentation(device, model);
    try {
      return await representation.embed(texts);
    } finally {
      await representation.release();
    }
  });
  return async (pool, queries, onText) => {
    const textsOf = (demonstrations: readonly Demonstration[]) => demonstrations.map(({ text }) => text);
    const ofPool = await embed(textsOf(pool), onText);
    const ofQueries = await embed(textsOf(queries), onText);
    const mean = meanOf(ofPool);
    return {
      pool: ofPool.map((vector) => directionFrom(mean, vector)),
      queries: ofQueries.map((vector) => directionFrom(mean, vector)),
    };
  };
}

/** The cosine of two directions. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function meanOf(vectors: readonly Float32Array[]): Float64Array {
  const mean = new Float64Array(vectors[0]!.length);
  for (const vector of vectors) for (const [i, value] of vector.entries()) mean[i]! += value / vectors.length;
  return mean;
}

/** Of a vector that is the origin itself, which has no direction, zeros. */
function directionFrom(origin: Float64Array, vector: Float32Array): Float32Array {
  const difference = Float64Array.from(vector, (value, i) => value - origin[i]!);
  const length = Math.sqrt(difference.reduce((sum, value) => sum + value * value, 0));
  return Float32Array.from(difference, (value) => (length === 0 ? 0 : value / length));
}
