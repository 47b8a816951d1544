/** @file The frameworks of federated tuning that a study compares: what clients are told in each, and what they compute. */

import { type ClientModel, trainingMultiplyAdds } from "../../federation/accounting.ts";
import type { FedLlmTask } from "../../federation/fedllm/task.ts";
import type { Figures } from "../../federation/rounds/documents.ts";
import type { FederatedConfig } from "./options.ts";

export const frameworkNames = ["fedllm"] as const;
export type FrameworkName = (typeof frameworkNames)[number];

/** A framework as it is computed: once, or once for each of its aggregations. */
export interface Exchange {
  /** The framework's name, and what it is computed with, such as "fedllm-product". */
  readonly way: string;
  readonly task: Omit<FedLlmTask, "tuning">;
  /** Options of its runs over those of all. */
  readonly tuning: FedLlmTask["tuning"];
}

const exchangesOf: Readonly<Record<FrameworkName, (config: FederatedConfig) => Exchange[]>> = {
  fedllm: ({ aggregations }) =>
    aggregations.map((aggregation) => ({
      way: `fedllm-${aggregation}`,
      task: { framework: "fedllm", aggregation, secure_aggregation: false },
      // With A frozen as it was drawn.
      tuning: aggregation === "ffa" ? { method: "lora-fa" } : {},
    })),
};

/** Those that a study computes, in the order of its options. */
export function listExchanges(config: FederatedConfig): Exchange[] {
  return config.frameworks.flatMap((name) => exchangesOf[name](config));
}

/** What clients are told. @param tuning options of all runs */
export function taskOf({ task, tuning: own }: Exchange, tuning: FedLlmTask["tuning"]): FedLlmTask {
  return { ...task, tuning: { ...tuning, ...own } };
}

/** Multiply-adds of a client in a round. @param figures what it said of its update */
export function multiplyAddsOf(model: ClientModel, { tokens = 0 }: Figures): number {
  return trainingMultiplyAdds(model, tokens);
}
