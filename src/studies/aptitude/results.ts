/** @file What a study of aptitude found, as its study.json holds it. */

import { z } from "zod";
import { solutionSchema } from "../reasoning/results.ts";
import { cellFields, count, estimateSchema, type Immutable, resultFields } from "../study-results.ts";

const askedSchema = z.object({
  task: z.string(),
  /** The share of right answers, with Wilson's interval. */
  accuracy: estimateSchema,
  /** Means over the problems: tokens written, those and all that were read over all calls, and programs run. */
  written: z.number(),
  tokens: z.number(),
  programs: z.number(),
  /** Shares of the problems: with a program that ran, and without an answer. */
  programmed: z.number(),
  unanswered: z.number(),
  /** By the calculations of the right solution; empty if they are not known. */
  difficulty: z.array(
    z.object({ label: z.string(), problems: count, accuracy: z.number(), programmed: z.number() }),
  ),
});

const cellSchema = z.object({
  ...cellFields,
  name: z.string(),
  training: z
    .object({
      /** Queries with a row in each manner. */
      words: count,
      programs: count,
      steps: count,
      /** Wall time of the run, in seconds. */
      seconds: z.number(),
      peakMemoryBytes: z.number(),
    })
    .exactOptional(),
  /** The share of right answers to the held-out problems. */
  heldOut: estimateSchema.exactOptional(),
  /** Of each task. */
  asked: z.array(askedSchema).exactOptional(),
});

const comparisonSchema = z.object({
  task: z.string(),
  /** What TATA is compared with: a cell's name, or all random choices together. */
  against: z.string(),
  /** TATA's less the other's: the share of right answers, written tokens and programs run a problem. */
  accuracy: estimateSchema,
  written: estimateSchema,
  programs: estimateSchema,
});

export const aptitudeResultsSchema = z.object({
  kind: z.literal("aptitude"),
  ...resultFields,
  /** When the last model was asked, in ISO 8601. */
  date: z.string(),
  tasks: z.array(z.object({ name: z.string(), problems: count })).min(1),
  /** Problems of the data that were looked at, and those without a program that gives their answer, by the reason. */
  problems: count,
  leftOut: z.record(z.string(), count),
  /** The anchors' questions, and how many queries are in the cluster of each. */
  anchors: z.array(z.object({ question: z.string(), queries: count })),
  /** Of each query, with the manners that the best decision chose. */
  aptitudes: z.array(
    z.object({ words: z.number(), program: z.number(), chosen: z.array(z.enum(["words", "program"])) }),
  ),
  /** The best decision. */
  decision: z.string(),
  /** The tuned models, and the best decision's as it was asked. */
  cells: z.array(cellSchema),
  comparisons: z.array(comparisonSchema),
  /** The share of problems that the model of words or that of programs solves: a bound of what choosing between them can reach. */
  oracle: z.array(z.object({ task: z.string(), accuracy: estimateSchema })),
  /** Solutions of some problems by each model. */
  shown: z.array(solutionSchema),
});

export type AptitudeResults = Immutable<z.output<typeof aptitudeResultsSchema>>;
export type AptitudeCell = AptitudeResults["cells"][number];
export type AskedTask = NonNullable<AptitudeCell["asked"]>[number];
