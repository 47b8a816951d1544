/** @file The folder of a study: its options, and its parts, which are ordinary runs and evaluations. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "../node/files/structured.ts";
import { writeWhole } from "../node/files/write.ts";

/** The name of the base model's evaluation. */
export const baseId = "base";

export interface StudyFolder {
  readonly path: string;
  /** Every option. */
  readonly config: string;
  /** Sets that were made from tasks' splits. */
  readonly data: string;
  readonly alignment: string;
  /** The base model's evaluation. */
  readonly base: string;
  /** Why cells failed, by their ids. */
  readonly failures: string;
  /** The machines that computed it. */
  readonly machines: string;
  run(cell: string): string;
  evaluation(cell: string): string;
  divergence(cell: string): string;
  /** Of a base model that is quantized and not tuned. */
  baseDivergence(id: string): string;
}

export function studyFolder(path: string): StudyFolder {
  return {
    path,
    config: join(path, "study.yaml"),
    data: join(path, "data"),
    alignment: join(path, "alignment.json"),
    base: join(path, "evaluations", baseId),
    failures: join(path, "failures.json"),
    machines: join(path, "machines.json"),
    run: (cell) => join(path, "runs", cell),
    evaluation: (cell) => join(path, "evaluations", cell),
    divergence: (cell) => join(path, "runs", cell, "divergence.json"),
    baseDivergence: (id) => join(path, "evaluations", id, "divergence.json"),
  };
}

const failuresSchema = z.record(z.string(), z.string());

/** Why cells failed, by their ids. */
export function readFailures(folder: StudyFolder): Record<string, string> {
  return existsSync(folder.failures) ? readJson(folder.failures, failuresSchema, "remove it") : {};
}

/** Keeps why a cell failed, or forgets it. */
export function recordFailure(folder: StudyFolder, cell: string, reason: string | undefined): void {
  const { [cell]: before, ...others } = readFailures(folder);
  if (before === reason) return;
  const failures = reason === undefined ? others : { ...others, [cell]: reason };
  writeWhole(folder.failures, `${JSON.stringify(failures, undefined, 1)}\n`);
}
