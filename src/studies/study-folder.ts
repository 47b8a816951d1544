/** @file The folder of a study: its options, and its parts, which are ordinary runs and evaluations. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { stringify } from "yaml";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { isoDay } from "../core/tokenization/strftime.ts";
import { isNewFolder } from "../node/files/folder.ts";
import { readJson } from "../node/files/structured.ts";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { readStudyConfig, type StudyConfig } from "./study-config.ts";

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
    base: join(path, "evaluations", "base"),
    failures: join(path, "failures.json"),
    machines: join(path, "machines.json"),
    run: (cell) => join(path, "runs", cell),
    evaluation: (cell) => join(path, "evaluations", cell),
    divergence: (cell) => join(path, "runs", cell, "divergence.json"),
    baseDivergence: (id) => join(path, "evaluations", id, "divergence.json"),
  };
}

/**
 * The options with a date: that of the study which the folder `path` holds, or today's, if none is given. A study that was
 * begun without one stays as it is.
 */
export function withDate(config: StudyConfig, path: string): StudyConfig {
  if (config.date !== undefined) return config;
  const { config: begun } = studyFolder(path);
  const date = existsSync(begun) ? readStudyConfig(begun).date : isoDay(new Date());
  return date === undefined ? config : { ...config, date };
}

/**
 * Whether a study was begun in a folder.
 *
 * @throws InputError if it holds anything else, or a study with other options.
 */
export function isBegun(path: string, config: StudyConfig): boolean {
  const folder = studyFolder(path);
  if (existsSync(folder.config)) {
    const begun = readStudyConfig(folder.config);
    const changed = Object.keys(config).find(
      (key) => !isDeepStrictEqual(begun[key as keyof StudyConfig], config[key as keyof StudyConfig]),
    );
    if (changed === undefined) return true;
    throw new InputError(
      `${path} holds a study with another "${changed}"; choose another folder, or go on with \`slimtune study resume ${path}\`.`,
    );
  }
  // Former versions wrote the options under this name first.
  if (isNewFolder(path, ["study.yaml.tmp"])) return false;
  throw new InputError(`The output folder ${path} is not empty and holds no study; choose another folder.`);
}

/** Makes the folder of a study, or opens it to go on. @throws InputError as {@link isBegun}. */
export function openStudyFolder(path: string, config: StudyConfig): StudyFolder {
  const folder = studyFolder(path);
  if (!isBegun(path, config)) {
    makeFolder(path);
    writeWhole(folder.config, stringify(config));
  }
  return folder;
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
