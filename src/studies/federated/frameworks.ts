/** @file What a study knows of each framework of federated tuning: its task, and what a client computes. */

import { type ClientModel, trainingMultiplyAdds } from "../../federation/accounting.ts";
import type { FedLlmTask, roundAggregations } from "../../federation/fedllm/task.ts";
import type { Figures } from "../../federation/rounds/documents.ts";

export const frameworkNames = ["fedllm"] as const;
export type FrameworkName = (typeof frameworkNames)[number];

/** How adapters are tuned by several clients. */
export interface Exchange {
  readonly framework: FrameworkName;
  /** Of FedLLM. */
  readonly aggregation: (typeof roundAggregations)[number];
}

/** What clients are told. @param tuning options of a round's run */
export function taskOf({ framework, aggregation }: Exchange, tuning: FedLlmTask["tuning"]): FedLlmTask {
  // With A frozen as it was drawn.
  const method = aggregation === "ffa" ? { method: "lora-fa" } : {};
  return { framework, aggregation, secure_aggregation: false, tuning: { ...tuning, ...method } };
}

/** Multiply-adds of a client in a round. @param figures what it said of its update */
export function multiplyAddsOf(model: ClientModel, { tokens = 0 }: Figures): number {
  return trainingMultiplyAdds(model, tokens);
}
