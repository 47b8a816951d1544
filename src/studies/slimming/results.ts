/** @file What a slimming study found, as its study.json holds it and its report shows it. */

import { z } from "zod";
import { type Alignment, type AlignmentScore, alignmentScores } from "../../alignment/align.ts";
import type { ScoreComparison } from "../../evaluation/compare.ts";
import type { Estimate } from "../../statistics/wilson.ts";
import {
  checkBaseScores,
  estimateSchema,
  type GridCell,
  type GridResults,
  gridCellFields,
  gridResultFields,
} from "../grid/results.ts";
import { count } from "../study-results.ts";

export interface SlimmingResults extends GridResults {
  /** "slimming": methods x data against the base model. "methods": several methods on the same data. */
  readonly kind: "slimming" | "methods";
  /** The base model as the methods keep it that quantize it, not tuned, each once. Absent in studies of before. */
  readonly quantizedBases?: readonly QuantizedBaseResult[];
  readonly cells: readonly SlimmingCell[];
  /** For each set of data and each task. */
  readonly alignment: readonly Alignment[];
  /** How well each score of alignment predicts the gain, over all cells; empty where data and tasks have fewer than six pairs. */
  readonly predictions: readonly {
    readonly score: AlignmentScore;
    /** Spearman's rank correlation with the gain. */
    readonly correlation: Estimate;
    readonly cells: number;
    /** Different pairs of data and task among them, which cells of other methods or seeds share. */
    readonly fits: number;
  }[];
}

/** One tuned model. */
export interface SlimmingCell extends GridCell {
  /** The tuned model against the base model on the same items, by the task's name. Of other metrics there is nothing here. */
  readonly changes?: Readonly<Record<string, StudyChange>>;
  /** Mean Kullback-Leibler divergence of the next token, base from tuned, on neutral text, in nats. */
  readonly divergence?: Estimate;
  /** Answers that changed, from each task: at most a few that became right and a few that became wrong. */
  readonly flips?: readonly Flip[];
}

/** What quantizing the base model changes without tuning. */
export interface QuantizedBaseResult {
  /** Such as "base-nf4". */
  readonly id: string;
  /** Such as "nf4". */
  readonly storage: string;
  /** Why it could not be computed; what follows is then absent. */
  readonly error?: string;
  /** Folder of its evaluation, below the study's. */
  readonly evaluation?: string;
  /** Against the base model in float32, as a cell's. */
  readonly changes?: Readonly<Record<string, StudyChange>>;
  readonly divergence?: Estimate;
}

/**
 * A score's comparison, with the number of the items that became right and wrong: they themselves are in the evaluations'
 * folders. The p-values of all changes of the study are one family.
 */
export type StudyChange = Omit<ScoreComparison, "fixed" | "broken"> & {
  /** Only known if each item is right or wrong. */
  readonly fixed?: number;
  readonly broken?: number;
};

/** An item whose answer became right or wrong. */
export interface Flip {
  readonly task: string;
  /** Number of the item in its task, counted from 0. */
  readonly item: number;
  readonly direction: "fixed" | "broken";
  readonly prompt: string;
  readonly expected: string;
  readonly base: string;
  readonly tuned: string;
}

const changeSchema = z.object({
  family: z.object({ name: z.string(), size: count }),
  adjustedP: z.number(),
  verdict: z.enum(["better", "worse", "no difference shown"]),
  task: z.string(),
  pooled: z.array(z.string()).exactOptional(),
  metric: z.string(),
  filter: z.string(),
  higherIsBetter: z.boolean(),
  inPoints: z.boolean(),
  items: count,
  before: estimateSchema,
  after: estimateSchema,
  difference: estimateSchema,
  test: z.enum(["mcnemar-exact", "sign-flip"]),
  p: z.number(),
  fixed: count.exactOptional(),
  broken: count.exactOptional(),
  // JSON has no undefined.
  detectable: z
    .number()
    .optional()
    .transform((value) => value),
});

const quantizedBaseSchema = z.object({
  id: z.string(),
  storage: z.string(),
  error: z.string().exactOptional(),
  evaluation: z.string().exactOptional(),
  changes: z.record(z.string(), changeSchema).exactOptional(),
  divergence: estimateSchema.exactOptional(),
});

const cellSchema = z.object({
  ...gridCellFields,
  changes: z.record(z.string(), changeSchema).exactOptional(),
  divergence: estimateSchema.exactOptional(),
  flips: z
    .array(
      z.object({
        task: z.string(),
        item: count,
        direction: z.enum(["fixed", "broken"]),
        prompt: z.string(),
        expected: z.string(),
        base: z.string(),
        tuned: z.string(),
      }),
    )
    .exactOptional(),
});

export const alignmentSchema = z.object({
  data: z.string(),
  task: z.string(),
  representation: z.number().nullable(),
  gradient: z.number().nullable(),
  lexical: z.number().nullable(),
  contaminated: z.array(count),
  checkedItems: count,
});

export const slimmingResultsSchema: z.ZodType<SlimmingResults> = z
  .object({
    kind: z.enum(["slimming", "methods"]),
    ...gridResultFields,
    quantizedBases: z.array(quantizedBaseSchema).exactOptional(),
    cells: z.array(cellSchema),
    alignment: z.array(alignmentSchema),
    predictions: z.array(
      z.object({
        score: z.enum(alignmentScores),
        correlation: estimateSchema,
        cells: count,
        fits: count,
      }),
    ),
  })
  .superRefine(checkBaseScores);
