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
  /** The base model's evaluation. */
  readonly base: string;
  /** Why cells failed, by their ids. */
  readonly failures: string;
  /** The machines that computed it. */
  readonly machines: string;
  /** Files that no part writes. */
  readonly own: readonly string[];
  run(cell: string): string;
  evaluation(cell: string): string;
}

export function studyFolder(path: string): StudyFolder {
  const config = join(path, "study.yaml");
  const failures = join(path, "failures.json");
  const machines = join(path, "machines.json");
  return {
    ...{ path, config, failures, machines },
    own: [config, failures, machines],
    data: join(path, "data"),
    base: join(path, "evaluations", baseId),
    run: (cell) => join(path, "runs", cell),
    evaluation: (cell) => join(path, "evaluations", cell),
  };
}

const failuresSchema = z.record(z.string(), z.string());

/** Why a cell has no results: it failed, or was not computed yet; undefined if it has some. */
export function whyMissing(folder: StudyFolder, cell: string, isComputed: boolean): string | undefined {
  return readFailures(folder)[cell] ?? (isComputed ? undefined : "It is not computed yet.");
}

function readFailures(folder: StudyFolder): Record<string, string> {
  return existsSync(folder.failures) ? readJson(folder.failures, failuresSchema, "remove it") : {};
}

/** Keeps why a cell failed, or forgets it. */
export function recordFailure(folder: StudyFolder, cell: string, reason: string | undefined): void {
  const { [cell]: before, ...others } = readFailures(folder);
  if (before === reason) return;
  const failures = reason === undefined ? others : { ...others, [cell]: reason };
  writeWhole(folder.failures, `${JSON.stringify(failures, undefined, 1)}\n`);
}
