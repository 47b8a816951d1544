/** @file Averages of tensors, which are exact where the adapter is linear in what is trained. */

import type { Parameter, Parameters } from "../../core/adapters/parameters.ts";
import { InputError } from "../../core/errors.ts";
import type { Aggregation, RoundUpdates } from "./aggregation.ts";
import { findPairs } from "./lora-pairs.ts";

/** FedAvg (McMahan et al. 2017, algorithm 1): each tensor's mean, weighted by examples. Of A and B apart it is not the mean of B A. */
export const fedAvg: Aggregation = {
  name: "fedavg",
  isLinear: true,
  mixesRanks: false,
  aggregate: (round) => ({ parameters: averageTensors(round), residual: round.residual }),
};

/** FFA-LoRA (Sun et al. 2024): with the same frozen A at all clients the mean of B gives the mean of B A. */
export const ffa: Aggregation = {
  name: "ffa",
  isLinear: true,
  mixesRanks: false,
  aggregate(round) {
    const pairs = findPairs(round.global);
    if (pairs.length === 0 || pairs.some(({ A }) => !A.isFrozen))
      throw new InputError(
        'FFA-LoRA averages B over an A that all clients keep as it was drawn; take the method "lora-fa", or another aggregation.',
      );
    return fedAvg.aggregate(round);
  },
};

/** Each tensor's weighted mean; those that are frozen stay. */
export function averageTensors({
  global,
  updates,
  shares,
}: Pick<RoundUpdates, "global" | "updates" | "shares">): Map<string, Parameter> {
  return new Map(
    [...global].map(([name, parameter]) => {
      if (parameter.isFrozen) return [name, parameter];
      const tensors = updates.map(({ parameters }) => parameters.get(name)!.data);
      const data = parameter.data.map((_, i) =>
        tensors.reduce((sum, tensor, client) => sum + shares[client]! * tensor[i]!, 0),
      );
      return [name, { dims: parameter.dims, data }];
    }),
  );
}

/** The global adapter with other pairs A and B, and the means of all that is trained beside them. */
export function withPairs(round: RoundUpdates, pairs: Parameters): Map<string, Parameter> {
  const beside = new Map([...round.global].filter(([name]) => !pairs.has(name)));
  const averaged = averageTensors({ ...round, global: beside });
  return new Map([...round.global.keys()].map((name) => [name, (pairs.get(name) ?? averaged.get(name))!]));
}
