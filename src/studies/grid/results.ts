/** @file What a grid of tuned models says in study.json of its model, its data, its tasks and its runs. */

import { z } from "zod";
import type { Efficiency } from "../../node/efficiency/efficiency.ts";
import type { Estimate } from "../../statistics/wilson.ts";
import {
  type CellResult,
  cellFields,
  count,
  resultFields,
  type StudyResults,
  texts,
} from "../study-results.ts";

/** What a study found whose cells are methods on sets of data with seeds. */
export interface GridResults extends StudyResults {
  /** When its last evaluation was begun, in ISO 8601. */
  readonly date: string;
  readonly model: { readonly name: string; readonly sha256: string; readonly parameters: number };
  readonly data: readonly StudyData[];
  readonly tasks: readonly StudyTask[];
  readonly base: {
    /** Folder of its evaluation, below the study's. */
    readonly evaluation: string;
    /** By the task's name. */
    readonly scores: Readonly<Record<string, Estimate>>;
  };
  readonly cells: readonly GridCell[];
}

/** A set that models are tuned on. */
export interface StudyData {
  readonly name: string;
  /** The file, Hub id, or task and split that it is from. */
  readonly source: string;
  readonly sha256: string;
  readonly examples: number;
  readonly tokens: number;
}

/** What models are asked, with the one score by which the study judges it. */
export interface StudyTask {
  /** Of a task or group. */
  readonly name: string;
  readonly version: string;
  readonly metric: string;
  readonly filter: string;
  readonly higherIsBetter: boolean;
  /** Whether the score lies within 0 and 1, so that a hundredth is called a point. */
  readonly inPoints: boolean;
  readonly items: number;
  /** The score of guessing, where there is one. */
  readonly chance: number | null;
  /** SHA-256 of the prompts of each of its tasks. */
  readonly promptHashes: Readonly<Record<string, string>>;
  /** The names of the data that were meant to improve it. */
  readonly alignedData: readonly string[];
}

/** One tuned model: a method on a set of data with a seed. */
export interface GridCell extends CellResult {
  readonly method: string;
  readonly data: string;
  readonly seed: number;
  readonly run?: StudyRun;
}

export interface StudyRun {
  /** Folders, below the study's. */
  readonly folder: string;
  readonly evaluation: string;
  readonly trainableParameters: number;
  readonly steps: number;
  /** Training loss by step, and held-out loss by the steps at which it was measured, in nats. */
  readonly loss: readonly (readonly [step: number, loss: number])[];
  readonly heldOutLoss: readonly (readonly [step: number, loss: number])[];
  readonly efficiency: Efficiency;
}

export const estimateSchema = z.object({ value: z.number(), low: z.number(), high: z.number() });

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

/** The fields of {@link GridCell}. */
export const gridCellFields = {
  ...cellFields,
  method: z.string(),
  data: z.string(),
  seed: z.int(),
  run: z
    .object({
      folder: z.string(),
      evaluation: z.string(),
      trainableParameters: count,
      steps: count,
      loss: losses,
      heldOutLoss: losses,
      efficiency: efficiencySchema,
    })
    .exactOptional(),
};

/** The fields of {@link GridResults}, of which a kind names its own cells. */
export const gridResultFields = {
  ...resultFields,
  date: z.string(),
  model: z.object({ name: z.string(), sha256: z.string(), parameters: z.number().positive() }),
  data: z.array(
    z.object({ name: z.string(), source: z.string(), sha256: z.string(), examples: count, tokens: count }),
  ),
  tasks: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      metric: z.string(),
      filter: z.string(),
      higherIsBetter: z.boolean(),
      inPoints: z.boolean(),
      items: count,
      chance: z.number().nullable(),
      promptHashes: texts,
      alignedData: z.array(z.string()),
    }),
  ),
  base: z.object({ evaluation: z.string(), scores: z.record(z.string(), estimateSchema) }),
};

/** For a schema of a grid's results: that the base model has a score of every task. */
export function checkBaseScores(
  { tasks, base }: Pick<GridResults, "tasks" | "base">,
  { addIssue }: { addIssue(message: string): void },
): void {
  const missing = tasks.find(({ name }) => !(name in base.scores));
  if (missing) addIssue(`the base model's score of ${missing.name} is missing`);
}
