/** @file What a federated study found, as its study.json holds it. */

import { z } from "zod";
import { cellFields, count, estimateSchema, type Immutable, resultFields } from "../study-results.ts";

const bytes = z.object({ up: z.number(), down: z.number() });

const roundSchema = z.object({
  /** Of each client's held-out rows, in nats a token. */
  heldOutLoss: z.record(z.string(), z.number()),
  /** Of one client, the mean over all: what it sent and received, and what of that are numbers by the formula. */
  sentBytes: z.number(),
  receivedBytes: z.number(),
  formulaBytes: bytes,
  /** Of one client, the mean over all; in one place, all. */
  multiplyAdds: z.number(),
  /** ‖ΔW − aggregate‖ / ‖ΔW‖ of what is averaged. */
  aggregationError: z.number().exactOptional(),
});

/** A score, and its difference from the base model's. */
const scoreSchema = z.object({ score: estimateSchema, difference: estimateSchema });

const cellSchema = z.object({
  ...cellFields,
  way: z.string(),
  partition: z.string(),
  seed: z.int(),
  /** Numbers that a client trains. */
  trained: count.exactOptional(),
  /** Round 0 is the model as it was. */
  rounds: z.array(roundSchema).exactOptional(),
  /** How well the loss tells rows that were tuned on from others, from 0.5 for not at all to 1; absent if it was not measured. */
  membership: estimateSchema.exactOptional(),
  /** By the task's name; where each client has a model, the mean over these. */
  scores: z.record(z.string(), scoreSchema).exactOptional(),
});

const waySchema = z.object({
  partition: z.string(),
  /** "base", "central", "alone", or such as "fedllm-product". */
  way: z.string(),
  /** Those that it was computed with. */
  seeds: z.array(z.int()).min(1),
  /** Held-out loss after the last round: the mean over clients and seeds with Student's interval, and of the worst client. */
  loss: estimateSchema,
  worst: z.number(),
  /** The mean loss over clients and seeds after each round, from round 0. */
  losses: z.array(z.number()),
  /** The first round with the target loss, of each seed; null if there was none. */
  roundsToTarget: z.array(count.nullable()),
  /** Of one client in one round, means over rounds and seeds. */
  sentBytes: z.number(),
  receivedBytes: z.number(),
  formulaBytes: bytes,
  multiplyAdds: z.number(),
  /** Of each round, the mean over the seeds. */
  aggregationErrors: z.array(z.number()),
  /** Before and after tuning, means over the seeds. */
  membership: z.object({ before: estimateSchema, after: estimateSchema }).exactOptional(),
  /** By the task's name, means over the seeds. */
  scores: z.record(z.string(), scoreSchema),
});

const comparisonSchema = z.object({
  partition: z.string(),
  way: z.string(),
  against: z.string(),
  /** "held-out loss", or a task. */
  quantity: z.string(),
  /** Of `way` less that of `against`: of the loss with Student's interval over clients and seeds, paired. */
  difference: estimateSchema,
});

export const federatedResultsSchema = z.object({
  kind: z.literal("federated"),
  ...resultFields,
  model: z.object({ name: z.string(), sha256: z.string(), parameters: z.number().positive() }),
  data: z.object({ rows: count, sha256: z.string() }),
  tasks: z.array(
    z.object({
      name: z.string(),
      metric: z.string(),
      filter: z.string(),
      higherIsBetter: z.boolean(),
      inPoints: z.boolean(),
      items: count,
      base: estimateSchema,
    }),
  ),
  divisions: z.array(
    z.object({
      partition: z.string(),
      seed: z.int(),
      clients: z.array(
        z.object({
          client: z.string(),
          rows: count,
          heldOutRows: count,
          classes: z.record(z.string(), count),
        }),
      ),
    }),
  ),
  cells: z.array(cellSchema),
  ways: z.array(waySchema),
  comparisons: z.array(comparisonSchema),
});

export type FederatedResults = Immutable<z.output<typeof federatedResultsSchema>>;
export type FederatedRound = Immutable<z.output<typeof roundSchema>>;
export type FederatedCellResult = FederatedResults["cells"][number];
export type FederatedWay = FederatedResults["ways"][number];
export type FederatedComparison = FederatedResults["comparisons"][number];

/** The quantity of a comparison that is no task. */
export const heldOutLoss = "held-out loss";
