/** @file What a grid of tuned models says in study.json of its model, its data, its tasks and its runs. */

import { z } from "zod";
import { cellFields, count, estimateSchema, type Immutable, resultFields, texts } from "../study-results.ts";

export const efficiencySchema = z.object({
  averageMemoryBytes: z.number(),
  peakMemoryBytes: z.number(),
  averageUtilization: z.number(),
  averageLatency: z.number(),
  tokensPerSecond: z.number(),
  samplesPerSecond: z.number(),
  tokenThroughput: z.number(),
  sampleThroughput: z.number(),
  averagePower: z.number().nullable(),
  compressionRate: z.number().nullable(),
  seconds: z.number(),
});

const losses = z.array(z.tuple([z.number(), z.number()]));

const runSchema = z.object({
  /** Folders, below the study's. */
  folder: z.string(),
  evaluation: z.string(),
  trainableParameters: count,
  steps: count,
  /** Training loss by step, and held-out loss by the steps at which it was measured, in nats. */
  loss: losses,
  heldOutLoss: losses,
  efficiency: efficiencySchema,
});

/** The fields of {@link GridCell}. */
export const gridCellFields = {
  ...cellFields,
  method: z.string(),
  data: z.string(),
  /** Which of the study's variants it is; absent where there are none. */
  variant: z.string().exactOptional(),
  seed: z.int(),
  run: runSchema.exactOptional(),
};

const dataSchema = z.object({
  name: z.string(),
  /** The file, Hub id, or task and split that it is from. */
  source: z.string(),
  sha256: z.string(),
  examples: count,
  tokens: count,
});

const taskSchema = z.object({
  /** Of a task or group. */
  name: z.string(),
  version: z.string(),
  metric: z.string(),
  filter: z.string(),
  higherIsBetter: z.boolean(),
  /** Whether the score lies within 0 and 1, so that a hundredth is called a point. */
  inPoints: z.boolean(),
  items: count,
  /** The score of guessing, where there is one. */
  chance: z.number().nullable(),
  /** SHA-256 of the prompts of each of its tasks. */
  promptHashes: texts,
  /** The names of the data that were meant to improve it. */
  alignedData: z.array(z.string()),
});

/** The fields of {@link GridResults}, of which each kind names itself and its own cells. */
export const gridResultFields = {
  ...resultFields,
  /** When its last evaluation was begun, in ISO 8601. */
  date: z.string(),
  model: z.object({ name: z.string(), sha256: z.string(), parameters: z.number().positive() }),
  data: z.array(dataSchema),
  tasks: z.array(taskSchema),
  /** What the runs' options differ in, beside the method, in the order of the study's options; absent where there is nothing. */
  variants: z
    .array(z.object({ name: z.string(), options: z.record(z.string(), z.unknown()) }))
    .exactOptional(),
  base: z.object({
    /** Folder of its evaluation, below the study's. */
    evaluation: z.string(),
    /** By the task's name. */
    scores: z.record(z.string(), estimateSchema),
  }),
};

const gridResults = z.object({
  kind: z.string(),
  ...gridResultFields,
  cells: z.array(z.object(gridCellFields)),
});

export type StudyRun = Immutable<z.output<typeof runSchema>>;
/** One tuned model: a method on a set of data, perhaps in a variant, with a seed. */
export type GridCell = GridResults["cells"][number];
/** A set that models are tuned on. */
export type StudyData = GridResults["data"][number];
/** What models are asked, with the one score by which the study judges it. */
export type StudyTask = GridResults["tasks"][number];
/** What a study found whose cells are methods on sets of data with seeds. */
export type GridResults = Immutable<z.output<typeof gridResults>>;

/** How a cell was tuned, as reports call it: "lora", or "lora (keep-0.1)" of a variant. */
export function tuningOf({ method, variant }: Pick<GridCell, "method" | "variant">): string {
  return variant === undefined ? method : `${method} (${variant})`;
}

/** For a schema of a grid's results: that the base model has a score of every task. */
export function checkBaseScores(
  { tasks, base }: Pick<GridResults, "tasks" | "base">,
  { addIssue }: { addIssue(message: string): void },
): void {
  const missing = tasks.find(({ name }) => !(name in base.scores));
  if (missing) addIssue(`the base model's score of ${missing.name} is missing`);
}
