/** @file What an aggregation is: the next global adapter from those that the clients have tuned. */

import type { Parameters } from "../../core/adapters/parameters.ts";
import type { TripletFinder } from "../../core/adapters/singular-triplets.ts";
import { type ClientUpdate, checkUpdate, sharesOf, type UpdateLimits } from "./client-update.ts";
import { findPairs, productOf, type Scales } from "./lora-pairs.ts";
import { difference, frobeniusNorm, type LowRank, sumOf } from "./low-rank.ts";

/** What a round began with, and what came of it. */
export interface RoundUpdates {
  /** The adapter that the clients were sent, frozen tensors included. */
  readonly global: Parameters;
  /** Its scales; none for methods without A and B. */
  readonly scales: Scales;
  /** As {@link checkUpdate} gives them. */
  readonly updates: readonly ClientUpdate[];
  /** Each update's share p in the average; they add up to 1. */
  readonly shares: readonly number[];
  /** What aggregations before have left in frozen adapters. */
  readonly residual: Parameters;
  /** A fresh adapter, drawn anew for the next round: of the names and shapes of `global`. */
  readonly initial: () => Promise<Parameters>;
  readonly finder: TripletFinder;
  /** Of the singular triplets' random beginnings. */
  readonly seed: number;
  /** Rank to which each residual is cut. Default: that of the weight itself, which loses nothing. */
  readonly residualRank?: number;
}

/** What the clients go on with. */
export interface Aggregate {
  readonly parameters: Parameters;
  /** Frozen adapters beside, of scale 1, by "<module>.residual_A.weight" [m, in] and "<module>.residual_B.weight" [out, m]. */
  readonly residual: Parameters;
}

export interface Aggregation {
  readonly name: string;
  /** Whether it needs the weighted sum of the updates alone, so that secure aggregation can hide each of them. */
  readonly isLinear: boolean;
  /** Whether clients may have LoRA of other ranks than the global adapter. */
  readonly mixesRanks: boolean;
  aggregate(round: RoundUpdates): Aggregate | Promise<Aggregate>;
}

/** How far what the aggregation gives is from the average of what the clients' updates do to the weights. */
export interface AggregationError {
  /** ‖ΔW − aggregate‖ / ‖ΔW‖ over all modules with A and B, in Frobenius norms, where ΔW is the sum of p s B A; 0 where ΔW is. */
  readonly relative: number;
  /** The same of each module. */
  readonly byModule: ReadonlyMap<string, number>;
}

/** A round as the server knows it, before its updates are checked. */
export interface RoundInput
  extends Omit<RoundUpdates, "updates" | "shares">,
    Pick<UpdateLimits, "maxUpdateNorm"> {
  readonly updates: readonly ClientUpdate[];
}

/**
 * Checks the updates of a round, aggregates them and measures what was lost.
 *
 * @throws InputError if an update is not one of the global adapter, or does not suit the aggregation.
 */
export async function aggregateRound(
  aggregation: Aggregation,
  input: RoundInput,
): Promise<Aggregate & { readonly error: AggregationError }> {
  const limits = { ...input, mixedRanks: aggregation.mixesRanks };
  const shares = sharesOf(input.updates);
  const updates = input.updates.map((update) => checkUpdate(update, input.global, limits));
  const round: RoundUpdates = { ...input, updates, shares };
  const aggregate = await aggregation.aggregate(round);
  return { ...aggregate, error: measureError(round, aggregate) };
}

/** The sum of p s B A over the updates, by module. */
export function averageProducts({ updates, shares, scales }: RoundUpdates): Map<string, LowRank> {
  const products = new Map<string, LowRank>();
  for (const [i, update] of updates.entries())
    for (const pair of findPairs(update.parameters)) {
      const scale = (update.scales ?? scales).get(pair.module)!;
      const before = products.get(pair.module) ?? { left: [], right: [] };
      products.set(pair.module, sumOf(before, productOf(pair, shares[i]! * scale)));
    }
  return products;
}

function measureError(round: RoundUpdates, { parameters, residual }: Aggregate): AggregationError {
  const byModule = new Map<string, number>();
  const pairs = new Map(findPairs(parameters).map((pair) => [pair.module, pair]));
  let [lost, all] = [0, 0];
  for (const [module, wanted] of averageProducts(round)) {
    const kept = sumOf(
      productOf(pairs.get(module)!, round.scales.get(module)!),
      difference(residualOf(residual, module), residualOf(round.residual, module)),
    );
    const [error, norm] = [frobeniusNorm(difference(wanted, kept)), frobeniusNorm(wanted)];
    byModule.set(module, ratio(error, norm));
    lost += error ** 2;
    all += norm ** 2;
  }
  return { relative: ratio(Math.sqrt(lost), Math.sqrt(all)), byModule };
}

function ratio(error: number, norm: number): number {
  return error === 0 ? 0 : error / norm;
}

/** What a module's frozen adapter adds to its weight. */
export function residualOf(residual: Parameters, module: string): LowRank {
  const [A, B] = [residual.get(`${module}.residual_A.weight`), residual.get(`${module}.residual_B.weight`)];
  return A && B ? productOf({ A, B }, 1) : { left: [], right: [] };
}
