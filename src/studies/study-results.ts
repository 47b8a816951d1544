/** @file What every study's study.json says, whatever its kind. */

import { z } from "zod";

/** What a study found. Each kind adds its own to this. */
export interface StudyResults {
  readonly kind: string;
  /** The command that makes it again. */
  readonly command: string;
  /** On which the study was begun. */
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  /** Every option that all cells share, such as the number of steps and the seeds. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly cells: readonly CellResult[];
  /** What limits the claims, in sentences. */
  readonly notes: readonly string[];
}

/** What was found of a cell. */
export interface CellResult {
  /** Such as "lora-math", or "lora-math-2" with seed 2 of several. */
  readonly id: string;
  /** Why it could not be computed; all else that was found is then absent. */
  readonly error?: string;
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

export const count = z.int().min(0);
export const texts = z.record(z.string(), z.string());

export const machineSchema = z.object({
  cpu: z.string(),
  cores: count,
  memoryBytes: z.number(),
  system: z.string(),
  node: z.string(),
});

export const cellFields = { id: z.string(), error: z.string().exactOptional() };

/** The fields of {@link StudyResults}, of which a kind names its own cells. */
export const resultFields = {
  command: z.string(),
  machine: machineSchema,
  versions: texts,
  settings: z.record(z.string(), z.unknown()),
  notes: z.array(z.string()),
};
