/** @file What a slimming study found, as its study.json holds it and its report shows it. */

import { z } from "zod";
import { alignmentScores } from "../../alignment/align.ts";
import { checkBaseScores, gridCellFields, gridResultFields } from "../grid/results.ts";
import { cellFields, count, estimateSchema, type Immutable } from "../study-results.ts";

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

const measuredSchema = z.object({
  ...estimateSchema.shape,
  /** Its value with each seed. */
  seeds: z.array(z.number()),
});

const testSchema = z.object({ p: z.number(), adjustedP: z.number() });
const differenceSchema = z.object({ ...estimateSchema.shape, ...testSchema.shape });

/** What forgetting is measured by. */
const forgettingMeasures = ["forgotten", "divergence"] as const;

const tradeoffSchema = z.object({
  method: z.string(),
  data: z.string(),
  /** The variant that the others are compared with: that which keeps with weight 0, else the first. */
  plain: z.string(),
  /** Those with which all variants were computed that have one at all; no other counts here. */
  seeds: z.array(z.int()),
  /** The tasks whose right answers' bits per byte say what was gained: those that the data were meant for. */
  gainTasks: z.array(z.string()),
  /** Those whose bits say what was forgotten: the group "retention" if it is asked, else all that the data were not meant for. */
  keptTasks: z.array(z.string()),
  /** Of each variant, in their order. Without tasks for it a quantity is absent. */
  variants: z.array(
    z.object({
      variant: z.string(),
      /** Fall of the bits per byte of the right answers of gainTasks: more is better. */
      gain: measuredSchema.exactOptional(),
      /** Rise of the bits per byte of the right answers of keptTasks: less is better. */
      forgotten: measuredSchema.exactOptional(),
      /** From the base model on neutral text, in nats. */
      divergence: measuredSchema,
    }),
  ),
  /** Of each variant but the plain one: it less the plain one. All tests of all trade-offs of the study are one family. */
  comparisons: z.array(
    z.object({
      variant: z.string(),
      gain: differenceSchema.exactOptional(),
      /** That its gain is above nine tenths of the plain one's, which gains. */
      gainsAsMuch: testSchema.exactOptional(),
      forgotten: differenceSchema.exactOptional(),
      divergence: differenceSchema,
    }),
  ),
  /**
   * Of each variant that keeps with a weight and each other but the plain one: that the one of them which forgets less by a measure
   * does so, and gains as much as the other. The tests of all trade-offs of the study are one family.
   */
  rivalries: z.array(
    z.object({
      keeping: z.string(),
      rival: z.string(),
      by: z.enum(forgettingMeasures),
      /** The one that forgets less. */
      better: z.string(),
      ...testSchema.shape,
    }),
  ),
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
    /** Gain against forgetting, of each method on each set of data; absent where runs have no variants. */
    tradeoffs: z.array(tradeoffSchema).exactOptional(),
  })
  .superRefine(checkBaseScores);

export type StudyChange = Immutable<z.output<typeof changeSchema>>;
export type Flip = Immutable<z.output<typeof flipSchema>>;
/** The variants of a method on a set of data: what each gains and forgets, and how they differ in it. */
export type Tradeoff = Immutable<z.output<typeof tradeoffSchema>>;
export type ForgettingMeasure = (typeof forgettingMeasures)[number];
/** What quantizing the base model changes without tuning. */
export type QuantizedBaseResult = Immutable<z.output<typeof quantizedBaseSchema>>;
/** One tuned model. */
export type SlimmingCell = SlimmingResults["cells"][number];
export type SlimmingResults = Immutable<z.output<typeof slimmingResultsSchema>>;
