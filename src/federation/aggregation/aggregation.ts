/** @file What an aggregation is: the next global adapter from those that the clients have tuned. */

import type { Parameters } from "../../core/adapters/parameters.ts";
import type { TripletFinder } from "../../core/adapters/singular-triplets.ts";
import { type AggregationError, createErrorMeter } from "./aggregation-error.ts";
import {
  checkUpdate,
  type PendingUpdate,
  sharesOf,
  type UpdateLimits,
  type WeightedUpdate,
} from "./client-update.ts";
import type { Scales } from "./lora-pairs.ts";

/** What a round began with, and what came of it. */
export interface RoundUpdates {
  /** The adapter that the clients were sent, frozen tensors included. */
  readonly global: Parameters;
  /** Its scales; none for methods without A and B. */
  readonly scales: Scales;
  /** As {@link checkUpdate} gives them, with shares that add up to 1. They can be read once: an update that is passed need not stay in memory. */
  readonly updates: AsyncIterable<WeightedUpdate>;
  /** What aggregations before have left in frozen adapters. */
  readonly residual: Parameters;
  /** A fresh adapter, drawn anew for the next round: of the names and shapes of `global`. */
  readonly initial: () => Promise<Parameters>;
  readonly finder: TripletFinder;
  /** Of the singular triplets' random beginnings, and of the directions in which errors are measured. */
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
  /** Whether it keeps part of the updates in frozen adapters beside, which are for plain LoRA of linear layers. */
  readonly leavesResidual: boolean;
  aggregate(round: RoundUpdates): Promise<Aggregate>;
}

/** A round as the server knows it, before its updates are read. */
export interface RoundInput extends Omit<RoundUpdates, "updates">, Pick<UpdateLimits, "maxUpdateNorm"> {
  readonly updates: readonly PendingUpdate[];
}

/**
 * Reads the updates of a round one after the other, checks and aggregates them, and measures what was lost.
 *
 * @throws InputError if an update is not one of the global adapter, or does not suit the aggregation.
 */
export async function aggregateRound(
  aggregation: Aggregation,
  input: RoundInput,
): Promise<Aggregate & { readonly error: AggregationError }> {
  const limits = { ...input, mixedRanks: aggregation.mixesRanks };
  const shares = sharesOf(input.updates);
  const meter = createErrorMeter(input.scales, input.seed);
  async function* readUpdates(): AsyncGenerator<WeightedUpdate> {
    for (const [i, { load, ...sent }] of input.updates.entries()) {
      const update = checkUpdate({ ...sent, parameters: await load() }, input.global, limits);
      const weighted = { ...update, share: shares[i]! };
      meter.add(weighted);
      yield weighted;
    }
  }
  const aggregate = await aggregation.aggregate({ ...input, updates: readUpdates() });
  return { ...aggregate, error: meter.measure(aggregate, input.residual) };
}
