/** @file What every study's study.json says, whatever its kind. */

import { z } from "zod";

/** Plain data that nobody changes. */
export type Immutable<T> = T extends object ? { readonly [Key in keyof T]: Immutable<T[Key]> } : T;

export const count = z.int().min(0);
export const texts = z.record(z.string(), z.string());
/** A value with its 95 % interval. */
export const estimateSchema = z.object({ value: z.number(), low: z.number(), high: z.number() });

export const machineSchema = z.object({
  cpu: z.string(),
  cores: count,
  memoryBytes: z.number(),
  /** Operating system and version. */
  system: z.string(),
  /** Version of Node.js. */
  node: z.string(),
});

/** The fields of {@link CellResult}. */
export const cellFields = {
  /** Such as "lora-math", or "lora-math-keep-0.1-2": of a variant, with seed 2 of several. */
  id: z.string(),
  /** Why it could not be computed; all else that was found is then absent. */
  error: z.string().exactOptional(),
};

/** The fields of {@link StudyResults}, of which each kind names itself and its own cells. */
export const resultFields = {
  /** The command that makes it again. */
  command: z.string(),
  /** On which the study was begun. */
  machine: machineSchema,
  versions: texts,
  /** Every option that all cells share, such as the number of steps and the seeds. */
  settings: z.record(z.string(), z.unknown()),
  /** What limits the claims, in sentences. */
  notes: z.array(z.string()),
};

const studyResults = z.object({ kind: z.string(), ...resultFields, cells: z.array(z.object(cellFields)) });

export type Machine = Immutable<z.output<typeof machineSchema>>;
/** What was found of a cell. */
export type CellResult = StudyResults["cells"][number];
/** What a study found. Each kind adds its own to this. */
export type StudyResults = Immutable<z.output<typeof studyResults>>;
