/** @file Distillation: what clients are told, who tell each other what they predict of public texts. */

import { z } from "zod";
import { tuningOptions } from "../tuning.ts";
import { consensuses } from "./sparse-predictions.ts";

export const distillationTask = z.strictObject({
  framework: z.literal("kd"),
  /** Which rows all have: the first so many of a file, and their SHA-256. */
  public: z.strictObject({ rows: z.int().min(1), sha256: z.string().regex(/^[\da-f]{64}$/) }),
  /** Entries of a prediction that are sent, k. */
  top_k: z.int().min(1).default(32),
  /** How clients count in the average: by their rows, or also by how sure they are. */
  confidence: z.enum(consensuses).default("mean"),
  /** Steps of a distillation. Default: one pass over the public rows. */
  distill_steps: z.int().min(1).optional(),
  /** Default: the tuning's. */
  distill_learning_rate: z.number().positive().optional(),
  tuning: tuningOptions.default({}),
});
export type DistillationTask = z.output<typeof distillationTask>;
