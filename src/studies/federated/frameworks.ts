/** @file The frameworks of federated tuning that a study compares: what clients are told in each. */

import { describePublicRows, type PublicRows } from "../../federation/distillation/public-rows.ts";
import type { DistillationTask } from "../../federation/distillation/task.ts";
import type { FedLlmTask } from "../../federation/fedllm/task.ts";
import type { FederationTask } from "../../federation/frameworks.ts";
import type { SplitTask } from "../../federation/split/task.ts";
import type { TuningTask } from "../../federation/tuning.ts";
import type { FederatedConfig } from "./options.ts";

export const frameworkNames = ["fedllm", "kd", "split"] as const;
export type FrameworkName = (typeof frameworkNames)[number];

/** A framework as it is computed: once, or once for each of its aggregations. */
export interface Exchange {
  /** The framework's name, and what it is computed with, such as "fedllm-product". */
  readonly way: string;
  readonly task:
    | Omit<FedLlmTask, "tuning">
    | Omit<DistillationTask, "tuning" | "public">
    | Omit<SplitTask, "tuning">;
  /** Options of its runs over those of all. */
  readonly tuning: TuningTask["tuning"];
}

const exchangesOf: Readonly<Record<FrameworkName, (config: FederatedConfig) => Exchange[]>> = {
  fedllm: ({ aggregations }) =>
    aggregations.map((aggregation) => ({
      way: `fedllm-${aggregation}`,
      task: { framework: "fedllm", aggregation, secure_aggregation: false },
      // With A frozen as it was drawn.
      tuning: aggregation === "ffa" ? { method: "lora-fa" } : {},
    })),
  kd: ({ top_k }) => [
    { way: "kd", task: { framework: "kd", top_k, confidence: "mean" as const }, tuning: {} },
  ],
  split: ({ cut, split_variant: variant, split_dtype: dtype }) => [
    { way: "split", task: { framework: "split", cut, variant, dtype }, tuning: {} },
  ],
};

/** Those that a study computes, in the order of its options. */
export function listExchanges(config: FederatedConfig): Exchange[] {
  return config.frameworks.flatMap((name) => exchangesOf[name](config));
}

/** What clients are told. @param tuning options of all runs */
export function taskOf(
  { task, tuning: own }: Exchange,
  tuning: TuningTask["tuning"],
  { rows, sha256 }: PublicRows,
): FederationTask {
  const told = { ...tuning, ...own };
  return task.framework === "kd"
    ? { ...task, tuning: told, public: { rows, sha256 } }
    : { ...task, tuning: told };
}

/** Stands for public rows that have not been read. */
export const unreadRows = { rows: 1, sha256: "0".repeat(64) };

/** The public rows of a study's distillations. */
export function publicRowsOf({ public: source, public_rows }: FederatedConfig): Promise<PublicRows> {
  return describePublicRows(source!, public_rows);
}
