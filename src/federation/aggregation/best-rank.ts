/** @file The average of what the updates do to the weights, cut to the rank of the adapter. */

import type { Parameter, Parameters } from "../../core/adapters/parameters.ts";
import type { TripletFinder } from "../../core/adapters/singular-triplets.ts";
import { createRandom } from "../../core/random.ts";
import type { Aggregation } from "./aggregation.ts";
import { createAverageBeside, joinInOrder } from "./average.ts";
import { findPairs, pairOf, productOf, type Scales } from "./lora-pairs.ts";
import { type LowRank, largestTriplets } from "./low-rank.ts";
import { createProductAverage } from "./product-average.ts";

/**
 * The mean of s B A, and of it the nearest of the global adapter's rank: A = (Σ / s)^½ V^T and B = U (Σ / s)^½ of its largest singular
 * triplets. Clients may have ranks of their own, as in FlexLoRA (Bai et al. 2024). The adapter of a single client stays as it is.
 */
export const product: Aggregation = {
  name: "product",
  isLinear: false,
  mixesRanks: true,
  leavesResidual: false,
  async aggregate({ global, scales, updates, residual, finder, seed }) {
    const products = createProductAverage(scales);
    const beside = createAverageBeside(global);
    for await (const update of updates) {
      const isOnly = update.share === 1;
      if (isOnly && hasShapesOf(update.parameters, global) && !update.scales)
        return { parameters: update.parameters, residual };
      products.add(update);
      beside.add(update);
    }
    const pairs = await cutToRanks(products.of, global, scales, finder, seed);
    return { parameters: joinInOrder(global, pairs, beside.parameters()), residual };
  },
};

/**
 * Pairs of the shapes in `shapes` whose products are nearest to the matrices of their modules, which are asked for one after the other. Where a matrix has fewer singular triplets
 * than the rank, the rows of A beyond are those of `shapes` and the columns of B zero, so that they can still be trained.
 */
export async function cutToRanks(
  matrixOf: (module: string) => LowRank,
  shapes: Parameters,
  scales: Scales,
  finder: TripletFinder,
  seed: number,
): Promise<Map<string, Parameter>> {
  const cut = new Map<string, Parameter>();
  for (const [index, { module, nameA, nameB, A, B }] of findPairs(shapes).entries()) {
    const [rank, inFeatures] = A.dims as [number, number];
    const outFeatures = B.dims[0]!;
    const { values, left, right } = await largestTriplets(
      finder,
      matrixOf(module),
      rank,
      createRandom(seed, index),
    );
    const scaled = (vectors: readonly Float64Array[], ofNone: (i: number) => Float64Array) =>
      Array.from({ length: rank }, (_, i) => {
        const root = Math.sqrt((values[i] ?? 0) / scales.get(module)!);
        return root > 0 ? vectors[i]!.map((value) => root * value) : ofNone(i);
      });
    const pair = pairOf(
      {
        left: scaled(left, () => new Float64Array(outFeatures)),
        right: scaled(right, (i) => Float64Array.from(A.data.subarray(i * inFeatures, (i + 1) * inFeatures))),
      },
      outFeatures,
      inFeatures,
    );
    cut.set(nameA, pair.A);
    cut.set(nameB, pair.B);
  }
  return cut;
}

/**
 * The adapter at the ranks of another, such as a client's own: its nearest where they are lower, and all of it where they are higher, with the rows
 * of A that are more taken from the other. What is trained beside A and B stays.
 *
 * @param shapes a fresh adapter of the ranks that are wanted, and its scales
 */
export async function fitToRanks(
  adapter: { readonly parameters: Parameters; readonly scales: Scales },
  shapes: { readonly parameters: Parameters; readonly scales: Scales },
  finder: TripletFinder,
  seed: number,
): Promise<Map<string, Parameter>> {
  const pairs = new Map(findPairs(adapter.parameters).map((pair) => [pair.module, pair]));
  const matrixOf = (module: string) => productOf(pairs.get(module)!, adapter.scales.get(module)!);
  const cut = await cutToRanks(matrixOf, shapes.parameters, shapes.scales, finder, seed);
  return new Map([...adapter.parameters].map(([name, tensor]) => [name, cut.get(name) ?? tensor]));
}

function hasShapesOf(parameters: Parameters, global: Parameters): boolean {
  return [...global].every(([name, { data }]) => parameters.get(name)!.data.length === data.length);
}
