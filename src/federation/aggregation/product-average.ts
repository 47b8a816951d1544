/** @file The average of what the updates do to the weights, ΔW = Σ p s B A, as the stack of its factors. */

import type { WeightedUpdate } from "./client-update.ts";
import { findPairs, type LoraPair, productOf, type Scales } from "./lora-pairs.ts";
import { type LowRank, sumOf } from "./low-rank.ts";

export interface ProductAverage {
  /** Keeps A and B of the update, and nothing else of it. */
  add(update: WeightedUpdate): void;
  /** A module's ΔW, of the rank of all updates' together. */
  of(module: string): LowRank;
}

/**
 * The factors of all updates stay in memory as they were sent, since a sum of products is no product of sums; those of one module at a time
 * are widened to 64 bits.
 */
export function createProductAverage(scales: Scales): ProductAverage {
  const factors = new Map<string, { readonly pair: LoraPair; readonly factor: number }[]>();
  return {
    add({ parameters, scales: own = scales, share }) {
      for (const pair of findPairs(parameters)) {
        const known = factors.get(pair.module) ?? [];
        factors.set(pair.module, known);
        known.push({ pair, factor: share * own.get(pair.module)! });
      }
    },
    of: (module) => sumOf(...factors.get(module)!.map(({ pair, factor }) => productOf(pair, factor))),
  };
}
