/** @file Averages of tensors, which are exact where the adapter is linear in what is trained. */

import { type Parameter, type Parameters, trainedOf } from "../../core/adapters/parameters.ts";
import { InputError } from "../../core/errors.ts";
import type { Aggregation } from "./aggregation.ts";
import type { WeightedUpdate } from "./client-update.ts";
import { findPairs } from "./lora-pairs.ts";

/** FedAvg (McMahan et al. 2017, algorithm 1): each tensor's mean, weighted by examples. Of A and B apart it is not the mean of B A. */
export const fedAvg: Aggregation = {
  name: "fedavg",
  isLinear: true,
  mixesRanks: false,
  leavesResidual: false,
  async aggregate({ global, updates, residual }) {
    const average = createAverage(global);
    for await (const update of updates) average.add(update);
    return { parameters: average.parameters(), residual };
  },
};

/** FFA-LoRA (Sun et al. 2024): with the same frozen A at all clients the mean of B gives the mean of B A. */
export const ffa: Aggregation = {
  name: "ffa",
  isLinear: true,
  mixesRanks: false,
  leavesResidual: false,
  async aggregate(round) {
    const pairs = findPairs(round.global);
    if (pairs.length === 0 || pairs.some(({ A }) => !A.isFrozen))
      throw new InputError(
        'FFA-LoRA averages B over an A that all clients keep as it was drawn; take the method "lora-fa", or another aggregation.',
      );
    return fedAvg.aggregate(round);
  },
};

export interface Average {
  add(update: Pick<WeightedUpdate, "parameters" | "share">): void;
  parameters(): Map<string, Parameter>;
}

/** Each tensor's weighted mean, by running sums of 64 bits; those that are frozen stay. */
export function createAverage(global: Parameters): Average {
  const sums = new Map(
    [...trainedOf(global)].map(([name, { data }]) => [name, new Float64Array(data.length)]),
  );
  return {
    add({ parameters, share }) {
      for (const [name, sum] of sums) {
        const { data } = parameters.get(name)!;
        for (let i = 0; i < sum.length; i++) sum[i]! += share * data[i]!;
      }
    },
    parameters: () =>
      new Map(
        [...global].map(([name, parameter]) => {
          const sum = sums.get(name);
          return [name, sum ? { dims: parameter.dims, data: Float32Array.from(sum) } : parameter];
        }),
      ),
  };
}

/** The mean of all that stands beside pairs A and B. */
export function createAverageBeside(global: Parameters): Average {
  const pairs = new Set(findPairs(global).flatMap(({ nameA, nameB }) => [nameA, nameB]));
  return createAverage(new Map([...global].filter(([name]) => !pairs.has(name))));
}

/** The pairs, and what stands beside them, in the global adapter's order. */
export function joinInOrder(
  global: Parameters,
  pairs: Parameters,
  beside: Parameters,
): Map<string, Parameter> {
  return new Map([...global.keys()].map((name) => [name, (pairs.get(name) ?? beside.get(name))!]));
}
