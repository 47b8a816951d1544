/** @file Aggregations that lose nothing: what the next adapter cannot hold stays in a frozen one beside it. */

import type { Parameter } from "../../core/adapters/parameters.ts";
import { createRandom } from "../../core/random.ts";
import type { Aggregation, RoundUpdates } from "./aggregation.ts";
import { createAverage, createAverageBeside, joinInOrder } from "./average.ts";
import { findPairs, pairOf, productOf, residualNames, residualOf } from "./lora-pairs.ts";
import { difference, type LowRank, largestTriplets, sumOf } from "./low-rank.ts";
import { createProductAverage } from "./product-average.ts";

/**
 * FedEx-LoRA (Singhal et al. 2025): A and B are averaged as FedAvg does, and the residual ΔW − s B A, of rank (k + 1) r at most, is added to the
 * frozen weights (equations 9 to 11). Since quantized weights cannot take it up, it is kept as a frozen adapter.
 */
export const fedEx: Aggregation = {
  name: "fedex",
  isLinear: false,
  mixesRanks: false,
  leavesResidual: true,
  async aggregate(round) {
    const average = createAverage(round.global);
    const products = createProductAverage(round.scales);
    for await (const update of round.updates) {
      average.add(update);
      products.add(update);
    }
    const parameters = average.parameters();
    const pairs = new Map(findPairs(parameters).map((pair) => [pair.module, pair]));
    const missingOf = (module: string) =>
      difference(products.of(module), productOf(pairs.get(module)!, round.scales.get(module)!));
    return { parameters, residual: await addToResidual(round, missingOf) };
  },
};

/**
 * FLoRA (Wang et al. 2024): the stack [p s B …] [A; …], which is the mean of s B A whatever the clients' ranks, is added to the frozen weights,
 * here as a frozen adapter, and each round begins with a fresh adapter.
 */
export const flora: Aggregation = {
  name: "flora",
  isLinear: false,
  mixesRanks: true,
  leavesResidual: true,
  async aggregate(round) {
    const products = createProductAverage(round.scales);
    const beside = createAverageBeside(round.global);
    for await (const update of round.updates) {
      products.add(update);
      beside.add(update);
    }
    const initial = await round.initial();
    const pairs = new Map(findPairs(initial).map((pair) => [pair.module, pair]));
    // What a fresh adapter begins with is nothing where its B is 0.
    const missingOf = (module: string) =>
      difference(products.of(module), productOf(pairs.get(module)!, round.scales.get(module)!));
    const drawn = new Map(
      [...pairs.values()].flatMap(({ nameA, nameB, A, B }) => [[nameA, A] as const, [nameB, B] as const]),
    );
    return {
      parameters: joinInOrder(round.global, drawn, beside.parameters()),
      residual: await addToResidual(round, missingOf),
    };
  },
};

async function addToResidual(
  round: RoundUpdates,
  addedTo: (module: string) => LowRank,
): Promise<Map<string, Parameter>> {
  const residual = new Map<string, Parameter>();
  for (const [index, { module, A, B }] of findPairs(round.global).entries()) {
    const [inFeatures, outFeatures] = [A.dims[1]!, B.dims[0]!];
    const matrix = sumOf(residualOf(round.residual, module), addedTo(module));
    const most = Math.min(round.residualRank ?? Number.POSITIVE_INFINITY, inFeatures, outFeatures);
    const kept = matrix.left.length > most ? await cut(round, matrix, most, index) : withoutZeros(matrix);
    const pair = pairOf(kept, outFeatures, inFeatures);
    const [ofA, ofB] = residualNames(module);
    residual.set(ofA, { ...pair.A, isFrozen: true }).set(ofB, { ...pair.B, isFrozen: true });
  }
  return residual;
}

async function cut(
  { finder, seed }: RoundUpdates,
  matrix: LowRank,
  rank: number,
  index: number,
): Promise<LowRank> {
  const { values, left, right } = await largestTriplets(finder, matrix, rank, createRandom(seed, index));
  return {
    left: left.map((vector, i) => vector.map((value) => value * Math.sqrt(values[i]!))),
    right: right.map((vector, i) => vector.map((value) => value * Math.sqrt(values[i]!))),
  };
}

/** Without the outer products that are zero, such as those of a fresh B; one is kept, since no tensor may be empty. */
function withoutZeros({ left, right }: LowRank): LowRank {
  const counts = left.map((column) => column.some((value) => value !== 0));
  if (!counts.includes(true)) return { left: left.slice(0, 1), right: right.slice(0, 1) };
  return { left: left.filter((_, i) => counts[i]), right: right.filter((_, i) => counts[i]) };
}
