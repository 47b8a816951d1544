/** @file A client's own rank, where it is another than the global adapter's. */

import type { LoraConfig } from "../../core/adapters/lora.ts";
import type { Parameters } from "../../core/adapters/parameters.ts";
import { createTripletFinder } from "../../core/adapters/singular-triplets.ts";
import { InputError } from "../../core/errors.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import type { RunConfig } from "../../node/training/run-config.ts";
import { aggregations } from "../aggregation/aggregations.ts";
import { fitToRanks } from "../aggregation/best-rank.ts";
import { scalesOf } from "../aggregation/lora-pairs.ts";
import { openTaskAdapter, runConfigOf, type TaskAdapter } from "../tuning.ts";
import type { FedLlmTask } from "./task.ts";

/** The highest rank with which clients may join. */
export function highestRank(task: FedLlmTask): number {
  return Math.max(loraOf(task).r, task.max_rank ?? 1);
}

/**
 * The task of a client with a rank of its own: lora_alpha grows with the rank, so that s of s B A is that of all.
 *
 * @throws InputError if the aggregation needs one rank of all, the rank is higher than the task allows, or the task says more of ranks than one.
 */
export function atRank(task: FedLlmTask, rank: number): FedLlmTask {
  const { r, lora_alpha, use_rslora, rank_pattern } = loraOf(task);
  if (rank === r) return task;
  const name = `A client cannot have the rank ${rank} of its own`;
  if (!aggregations[task.aggregation].mixesRanks)
    throw new InputError(
      `${name}, since "${task.aggregation}" averages A and B of one rank, here ${r}; leave it out, or choose the aggregation "product" or "flora".`,
    );
  if (task.tuning.method === "lora-fa" || Object.keys(rank_pattern).length > 0)
    throw new InputError(
      `${name} where A is frozen or layers have several ranks; leave it out, or take the method "lora" without "rank_pattern".`,
    );
  if (rank > highestRank(task))
    throw new InputError(
      `${name}, since the run takes ${highestRank(task)} at most; lower it, or have the server allow more by "max_rank".`,
    );
  const ratio = use_rslora ? Math.sqrt(rank / r) : rank / r;
  const lora = { ...(task.tuning.lora as object | undefined), r: rank, lora_alpha: lora_alpha * ratio };
  return { ...task, tuning: { ...task.tuning, lora } };
}

/**
 * The adapter of a round at a client's own rank: the nearest to the global one where the rank is lower, and all of it where it is higher, with the other
 * rows of A as they are drawn.
 *
 * @param config of {@link atRank}'s task, with the round's seed
 */
export async function fitBeginning(
  global: Pick<TaskAdapter, "settings"> & { readonly parameters: Parameters },
  config: RunConfig,
): Promise<{ readonly adapter: TaskAdapter; readonly parameters: Parameters }> {
  const adapter = await openTaskAdapter(config);
  const withScales = (settings: object, parameters: Parameters) => ({
    ...{ parameters, scales: scalesOf(settings as LoraConfig, parameters) },
  });
  const finder = await createTripletFinder(openDevice("cpu"));
  try {
    const parameters = await fitToRanks(
      withScales(global.settings, global.parameters),
      withScales(adapter.settings, adapter.initial),
      finder,
      config.seed,
    );
    return { adapter, parameters };
  } finally {
    await finder.release();
  }
}

function loraOf(task: FedLlmTask): LoraConfig {
  return runConfigOf(task, { model: "MODEL", data: "DATA" }).lora!;
}
