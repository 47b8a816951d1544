/** @file What a study of reasoning found, as its study.json holds it. */

import { z } from "zod";
import type { ShownSolution } from "../../reasoning/analysis.ts";
import type { Curve } from "../../reasoning/results.ts";
import { cellFields, count, estimateSchema, type Immutable, resultFields } from "../study-results.ts";

const difference = z.object({ accuracy: estimateSchema, tokens: estimateSchema });

const usage = z.object({
  promptTokens: z.number(),
  computedPromptTokens: z.number(),
  completionTokens: z.number(),
  verifierTokens: z.number(),
  calls: z.number(),
  seconds: z.number(),
});

const pointSchema = z.object({
  strategy: z.string(),
  isBaseline: z.boolean(),
  isOracle: z.boolean(),
  accuracy: estimateSchema,
  tokens: estimateSchema,
  usage,
  cut: z.number(),
  unanswered: z.number(),
  compliance: z.number().nullable(),
  isOnFront: z.boolean(),
  againstFirst: difference.nullable(),
  accuracyAtEqualTokens: estimateSchema.nullable(),
  tokensAtEqualAccuracy: estimateSchema.nullable(),
});

const binPoint = z.object({ strategy: z.string(), accuracy: z.number(), tokens: z.number() });

/** A `Curve`, whose fields explain themselves there. */
const curveSchema: z.ZodType<Curve> = z.object({
  task: z.string(),
  points: z.array(pointSchema).min(1),
  difficulty: z.array(z.object({ label: z.string(), problems: count, points: z.array(binPoint) })),
});

/** A run of reasoning's results.json, as far as it is needed. */
export const answersSchema = z.object({
  date: z.string(),
  tasks: z.array(z.object({ name: z.string(), problems: count })),
  curves: z.array(curveSchema).min(1),
});

/** A run's efficiency.json, as far as it is needed. */
export const efficiencyFields = z.object({ seconds: z.number(), peakMemoryBytes: z.number() });

/** A solution as the report shows it. */
export const solutionSchema: z.ZodType<ShownSolution> = z.object({
  strategy: z.string(),
  task: z.string(),
  id: z.string(),
  question: z.string(),
  answer: z.string().nullable(),
  isRight: z.boolean(),
  isCut: z.boolean(),
  text: z.string(),
  details: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
  usage: z.object({ completionTokens: z.number() }),
});

const trainingSchema = z.object({
  /** Of the file that was tuned on. */
  rows: count,
  steps: count,
  /** Wall time of the run, in seconds. */
  seconds: z.number(),
  peakMemoryBytes: z.number(),
  /** Held-out loss before and after, in nats; null where none was measured. */
  heldOutLoss: z.tuple([z.number(), z.number()]).nullable(),
  /** Where it learns from rewards: means of what it wrote in the first tenth of the steps, and in the last. */
  written: z
    .array(z.object({ reward: z.number(), tokens: z.number(), entropy: z.number(), alike: z.number() }))
    .length(2)
    .nullable(),
});

const modelSchema = z.object({
  ...cellFields,
  /** As it was asked for, such as "correct:1". */
  name: z.string(),
  /** The id of the model that it begins with; null of the base model. */
  from: z.string().nullable(),
  training: trainingSchema.exactOptional(),
  curves: z.array(curveSchema).min(1).exactOptional(),
});

const comparisonSchema = z.object({
  task: z.string(),
  /** Names of two models, and the first strategy of each, by which they are compared. */
  model: z.string(),
  strategy: z.string(),
  against: z.string(),
  againstStrategy: z.string(),
  accuracy: estimateSchema,
  tokens: estimateSchema,
  /** Those of the first, and what they are above those of the other. */
  difference,
  /** Accuracy above that which the other reaches with as few tokens by the baselines; null where they do not reach so few. */
  accuracyAtEqualTokens: estimateSchema.nullable(),
});

export const reasoningResultsSchema = z.object({
  kind: z.literal("reasoning"),
  ...resultFields,
  /** When the last model was asked, in ISO 8601. */
  date: z.string(),
  tasks: z.array(z.object({ name: z.string(), problems: count })).min(1),
  /** The tuned models. */
  cells: z.array(modelSchema),
  base: modelSchema.required({ curves: true }),
  /** Of the samples from which rules selected; null if there is no rule. */
  rollouts: z
    .object({
      problems: count,
      samples: count,
      accuracy: estimateSchema,
      anyCorrect: estimateSchema,
      mixed: z.number(),
      tokens: z.object({
        all: z.number(),
        correct: z.number().nullable(),
        wrong: z.number().nullable(),
      }),
      truncated: z.number(),
      withoutAnswer: z.number(),
    })
    .nullable(),
  comparisons: z.array(comparisonSchema),
  /** Solutions of some problems by each model. */
  shown: z.array(solutionSchema),
});

export type ReasoningStudyResults = Immutable<z.output<typeof reasoningResultsSchema>>;
export type AskedModel = ReasoningStudyResults["base"] | ReasoningStudyResults["cells"][number];
export type ModelComparison = ReasoningStudyResults["comparisons"][number];
