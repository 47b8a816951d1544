/** @file FedLLM: what clients are told, who tune the adapter that is averaged. */

import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { type AggregationName, aggregations } from "../aggregation/aggregations.ts";
import type { RoundOptions } from "../rounds/documents.ts";
import { runConfigOf, tuningOptions } from "../tuning.ts";
import type { Hiding } from "./private-sum.ts";

export const aggregationNames = Object.keys(aggregations) as [AggregationName, ...AggregationName[]];

export const fedLlmTask = z.strictObject({
  framework: z.literal("fedllm"),
  aggregation: z.enum(aggregationNames).default("product"),
  /** "fedex" and "flora": rank to which what stands beside the adapter is cut. Default: that of the weight itself, which loses nothing. */
  residual_rank: z.int().min(1).optional(),
  /** "product" and "flora": highest rank with which clients may join. Default: the adapter's own. */
  max_rank: z.int().min(1).optional(),
  /** Masks hide each update from the server, which learns their sum (docs/federation.md). */
  secure_aggregation: z.boolean().default(false),
  /** Client-level differential privacy: the norm to which updates are clipped, and the noise on their sum, in units of it. */
  differential_privacy: z
    .strictObject({
      clip_norm: z.number().positive(),
      noise_multiplier: z.number().positive(),
      delta: z.number().positive().lt(1).default(1e-5),
    })
    .optional(),
  tuning: tuningOptions.default({}),
});
export type FedLlmTask = z.output<typeof fedLlmTask>;

/** @throws InputError if two options contradict each other. */
export function checkFedLlm(task: FedLlmTask, origin: string): void {
  const { leavesResidual, mixesRanks } = aggregations[task.aggregation];
  if (task.max_rank !== undefined && !mixesRanks)
    throw new InputError(
      `${origin}: "${task.aggregation}" averages A and B of one rank, so clients cannot have ranks of their own; leave "max_rank" out, or choose the aggregation "product" or "flora".`,
    );
  if (task.residual_rank !== undefined && !leavesResidual)
    throw new InputError(
      `${origin}: "${task.aggregation}" leaves nothing beside the adapter that "residual_rank" could cut; leave it out, or choose the aggregation "fedex" or "flora".`,
    );
  const { method, lora } = runConfigOf(task, { model: "MODEL", data: "DATA" }, origin);
  if (leavesResidual && (method === "lora-fa" || lora?.use_dora))
    throw new InputError(
      `${origin}: the aggregation "${task.aggregation}" keeps part of the updates beside the adapter, which has to be plain LoRA; choose the method "lora" or "qlora".`,
    );
  const hides = task.secure_aggregation || task.differential_privacy !== undefined;
  if (hides && !aggregations[task.aggregation].isLinear)
    throw new InputError(
      `${origin}: a sum is all that secure aggregation and differential privacy give the server, and "${task.aggregation}" needs each update; choose the aggregation "fedavg" or "ffa".`,
    );
}

/** What a task hides of updates; undefined if nothing. */
export function hidingOf(
  { secure_aggregation, differential_privacy }: FedLlmTask,
  { client_share }: Pick<RoundOptions, "client_share">,
): Hiding | undefined {
  if (!secure_aggregation && !differential_privacy) return undefined;
  const noise = differential_privacy && {
    clipNorm: differential_privacy.clip_norm,
    noiseMultiplier: differential_privacy.noise_multiplier,
    samplingRate: client_share,
  };
  return { masks: secure_aggregation, noise };
}
