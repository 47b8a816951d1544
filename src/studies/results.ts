/** @file What a study found, as its study.json holds it and its report shows it. */

import type { Alignment, AlignmentScore } from "../alignment/align.ts";
import type { ScoreComparison } from "../evaluation/compare.ts";
import type { Efficiency } from "../node/efficiency/efficiency.ts";
import type { Estimate } from "../statistics/wilson.ts";

export type { Alignment as StudyAlignment, AlignmentScore } from "../alignment/align.ts";
export type { Estimate } from "../statistics/wilson.ts";

export interface StudyResults {
  /** "slimming": methods x data against the base model. "methods": several methods on the same data. */
  readonly kind: "slimming" | "methods";
  /** When its last evaluation was begun, in ISO 8601. */
  readonly date: string;
  /** The command that makes it again. */
  readonly command: string;
  /** On which the study was begun. */
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly model: { readonly name: string; readonly sha256: string; readonly parameters: number };
  /** Every option that all cells share, such as the number of steps and the seeds. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly data: readonly StudyData[];
  readonly tasks: readonly StudyTask[];
  readonly base: {
    /** Folder of its evaluation, below the study's. */
    readonly evaluation: string;
    /** By the task's name. */
    readonly scores: Readonly<Record<string, Estimate>>;
  };
  /** The base model as the methods keep it that quantize it, not tuned, each once. Absent in studies of before. */
  readonly quantizedBases?: readonly QuantizedBaseResult[];
  readonly cells: readonly StudyCell[];
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
  /** What limits the claims, in sentences. */
  readonly notes: readonly string[];
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** Operating system and version. */
  readonly system: string;
  /** Version of Node.js. */
  readonly node: string;
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
export interface StudyCell {
  /** Such as "lora-math", or "lora-math-2" with seed 2 of several. */
  readonly id: string;
  readonly method: string;
  readonly data: string;
  readonly seed: number;
  /** Why it could not be computed; what follows is then absent. */
  readonly error?: string;
  readonly run?: StudyRun;
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
