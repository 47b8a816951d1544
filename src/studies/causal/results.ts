/** @file What a causal study found, as its study.json holds it. */

import { z } from "zod";
import { checkBaseScores, gridCellFields, gridResultFields } from "../grid/results.ts";
import { count, estimateSchema, type Immutable } from "../study-results.ts";

/** Of a quantity: the mean over seeds and items with its interval, and each seed's. */
const measured = z.object({ ...estimateSchema.shape, seeds: z.array(z.number()).min(1) });

/** What a task is for the set that a model was tuned on. */
export const taskRoles = ["in distribution", "out of distribution", "other"] as const;

const quantitySchema = z.object({
  task: z.string(),
  role: z.enum(taskRoles),
  /** The task's score, or the bits per byte of its right answers. */
  of: z.enum(["score", "bits"]),
  ...measured.shape,
});

const splitSchema = z.object({
  shared: count,
  /** Means over the seeds: the causal term, the mean square of what the shared prompts add, and both of the other prompts. */
  variance: z.number(),
  meanSquare: z.number(),
  particularVariance: z.number(),
  particularMeanSquare: z.number(),
  /** The variance of each seed. */
  variances: z.array(z.number()),
  /** Rise of the negative log-likelihood of a right answer, in nats. */
  changes: z.array(
    z.object({
      part: z.enum(["shared", "particular"]),
      how: z.enum(["removed", "exchanged"]),
      ...measured.shape,
    }),
  ),
  /** By how much exchanging the particular prompts costs more than exchanging the shared ones, in nats; null without another set. */
  particularLessShared: estimateSchema.nullable(),
});

const tuningSchema = z.object({
  data: z.string(),
  method: z.string(),
  variant: z.string().exactOptional(),
  trainableParameters: count,
  /** Seconds of a run, and the most memory, means over the seeds. */
  seconds: z.number(),
  peakMemoryBytes: z.number(),
  quantities: z.array(quantitySchema),
  /** From the base model on neutral text, in nats. */
  divergence: measured,
  /** Of models with prompts: each number of shared ones. */
  splits: z.array(splitSchema),
});

const comparisonSchema = z.object({
  data: z.string(),
  method: z.string(),
  variant: z.string().exactOptional(),
  /** What it is compared with. */
  against: z.object({ method: z.string(), variant: z.string().exactOptional() }),
  /** "the term": a weight against none. "the method": prompts against the first method beside DCA. Each is a family of tests. */
  question: z.enum(["the term", "the method"]),
  /** A task, or "divergence". */
  task: z.string(),
  role: z.enum([...taskRoles, "divergence"]),
  of: z.enum(["score", "bits", "nats"]),
  higherIsBetter: z.boolean(),
  ...estimateSchema.shape,
  p: z.number(),
  /** For all comparisons of its question (Holm 1979). */
  adjustedP: z.number(),
});

export const causalResultsSchema = z
  .object({
    kind: z.literal("causal"),
    ...gridResultFields,
    cells: z.array(z.object(gridCellFields)),
    /** Seeds of each set that all its models were computed with. */
    seeds: z.record(z.string(), z.array(z.int())),
    tunings: z.array(tuningSchema),
    comparisons: z.array(comparisonSchema),
  })
  .superRefine(checkBaseScores);

export type CausalResults = Immutable<z.output<typeof causalResultsSchema>>;
export type CausalTuning = CausalResults["tunings"][number];
export type PromptSplit = CausalTuning["splits"][number];
export type CausalComparison = CausalResults["comparisons"][number];
export type TaskRole = (typeof taskRoles)[number];
