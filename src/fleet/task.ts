/** @file What is asked of a fleet's workers, and what they tell: both are read as a stranger's. */

import { isAbsolute, posix } from "node:path";
import { z } from "zod";
import { machineSchema } from "../studies/study-results.ts";

/** Whether a path leads to something in the folder from which it leads. */
export function isInside(path: string): boolean {
  const normal = posix.normalize(path.replaceAll("\\", "/"));
  return !isAbsolute(path) && normal !== "." && !/^(\.\.(\/|$)|\/|[a-zA-Z]:)/.test(normal);
}

const pathSchema = z.string().min(1).max(1000).refine(isInside, "it leads out of its folder");

const fileSchema = z.object({
  path: pathSchema,
  /** SHA-256, by which the fleet's space has it. */
  hash: z.string().regex(/^[\da-f]{64}$/),
  bytes: z.int().min(0),
});

/** A part of a study, or of an evaluation. It names a part and files, and nothing that could be run. */
export const taskSchema = z.strictObject({
  /** The folder that has the part, as the paths in its files name it. */
  folder: pathSchema,
  part: z.string().min(1).max(300),
  /** What its folder holds so far, with paths in it. */
  files: z.array(fileSchema),
  /** The models and data that the folder's options name, with paths beside its own. */
  inputs: z.array(fileSchema),
  /** Sets apart the same part given out another time. */
  nonce: z.string(),
});

/** What becomes of a task. */
export const stateSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("progress"), worker: z.string(), text: z.string() }),
  z.object({
    type: z.literal("finished"),
    machine: machineSchema,
    /** What the part wrote into its folder, in the order in which it did. */
    files: z.array(fileSchema),
  }),
  z.object({ type: z.literal("failed"), message: z.string(), isFatal: z.boolean() }),
]);

export type FleetFile = z.infer<typeof fileSchema>;
export type Task = z.infer<typeof taskSchema>;
export type TaskState = z.infer<typeof stateSchema>;

/** How often a worker says that it lives. */
export const heartbeatMs = 1000;
/** How many workers are given a task that none finishes. */
export const maxAttempts = 10;
