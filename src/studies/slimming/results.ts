/** @file What a slimming study found, as its study.json holds it and its report shows it. */

import { z } from "zod";
import { alignmentScores } from "../../alignment/align.ts";
import { checkBaseScores, estimateSchema, gridCellFields, gridResultFields } from "../grid/results.ts";
import { cellFields, count, type Immutable } from "../study-results.ts";

/**
 * A score's comparison, with the number of the items that became right and wrong: they themselves are in the evaluations'
 * folders. The p-values of all changes of scores of the study are one family, those of bits per byte another.
 */
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
  /** Only known if each item is right or wrong. */
  fixed: count.exactOptional(),
  broken: count.exactOptional(),
  // JSON has no undefined.
  detectable: z
    .number()
    .optional()
    .transform((value) => value),
});

/** An item whose answer became right or wrong. */
const flipSchema = z.object({
  task: z.string(),
  /** Number of the item in its task, counted from 0. */
  item: count,
  direction: z.enum(["fixed", "broken"]),
  prompt: z.string(),
  expected: z.string(),
  base: z.string(),
  tuned: z.string(),
});

/** What a model differs in from the base model. */
const differences = {
  /** On the same items, by the task's name. Of other metrics there is nothing here. */
  changes: z.record(z.string(), changeSchema).exactOptional(),
  /**
   * The same of the bits per byte of right answers, which are a family of their own. Only of tasks that have them; absent in
   * studies of before.
   */
  bits: z.record(z.string(), changeSchema).exactOptional(),
  /** Mean Kullback-Leibler divergence of the next token, base from tuned, on neutral text, in nats. */
  divergence: estimateSchema.exactOptional(),
};

const cellSchema = z.object({
  ...gridCellFields,
  ...differences,
  /** Answers that changed, from each task: at most a few that became right and a few that became wrong. */
  flips: z.array(flipSchema).exactOptional(),
});

const quantizedBaseSchema = z.object({
  ...cellFields,
  /** Such as "nf4". */
  storage: z.string(),
  /** Folder of its evaluation, below the study's. */
  evaluation: z.string().exactOptional(),
  ...differences,
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

const predictionSchema = z.object({
  score: z.enum(alignmentScores),
  /** Spearman's rank correlation with the gain. */
  correlation: estimateSchema,
  cells: count,
  /** Different pairs of data and task among them, which cells of other methods or seeds share. */
  fits: count,
});

export const slimmingResultsSchema = z
  .object({
    /** "slimming": methods x data against the base model. "methods": several methods on the same data. */
    kind: z.enum(["slimming", "methods"]),
    ...gridResultFields,
    /** The base model as the methods keep it that quantize it, not tuned, each once. Absent in studies of before. */
    quantizedBases: z.array(quantizedBaseSchema).exactOptional(),
    cells: z.array(cellSchema),
    /** For each set of data and each task. */
    alignment: z.array(alignmentSchema),
    /** How well each score of alignment predicts the gain, over all cells; empty where data and tasks have fewer than six pairs. */
    predictions: z.array(predictionSchema),
    /** The same for the fall of the bits per byte of right answers. Absent in studies of before. */
    bitsPredictions: z.array(predictionSchema).exactOptional(),
  })
  .superRefine(checkBaseScores);

export type StudyChange = Immutable<z.output<typeof changeSchema>>;
export type Flip = Immutable<z.output<typeof flipSchema>>;
/** What quantizing the base model changes without tuning. */
export type QuantizedBaseResult = Immutable<z.output<typeof quantizedBaseSchema>>;
/** One tuned model. */
export type SlimmingCell = SlimmingResults["cells"][number];
export type SlimmingResults = Immutable<z.output<typeof slimmingResultsSchema>>;
