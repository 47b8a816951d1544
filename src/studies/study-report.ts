/** @file A study's results from its folder, its study.json, and its report. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { slimtuneVersion } from "../evaluation/model-identity.ts";
import { checkEntries } from "../node/files/folder.ts";
import { readJson } from "../node/files/structured.ts";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { type ReportFiles, writeReport } from "../reporting/write-report.ts";
import { kindOf, studyKindNames } from "./kinds.ts";
import { describeMachines, readMachines } from "./machine.ts";
import { readStudyConfig } from "./study-config.ts";
import { type StudyFolder, studyFolder } from "./study-folder.ts";
import type { StudyConfig } from "./study-kind.ts";
import type { StudyResults } from "./study-results.ts";

/** The name of the file of results in a study's folder. */
export const studyFile = "study.json";

/**
 * Collects what a study found. Cells that failed, or were not computed yet, say so.
 *
 * @throws InputError if a part was not computed without which there is no study, or a file of the study is damaged.
 */
export async function collectResults(config: StudyConfig, folder: StudyFolder): Promise<StudyResults> {
  const { notes, ...found } = await kindOf(config).collect(config, folder);
  const [machine, ...others] = readMachines(folder);
  return {
    kind: config.kind,
    command: `slimtune study resume ${folder.path}`,
    machine,
    versions: { slimtune: slimtuneVersion },
    settings: { ...config },
    ...found,
    notes: [...notes, ...describeMachines(others)],
  };
}

/**
 * Writes `study.json`, `report.html` and `report.md` into a folder, which is made if need be. Each is whole at any time.
 *
 * @returns the paths of the report's files
 */
export async function writeStudy(path: string, results: StudyResults): Promise<ReportFiles> {
  const report = await kindOf(results).report(results);
  makeFolder(path);
  writeWhole(join(path, studyFile), `${JSON.stringify(results, undefined, 2)}\n`);
  return writeReport(path, report);
}

/**
 * Writes a study's report again: from its runs and evaluations, or, where only that is there, from its study.json.
 *
 * @param path folder of the study
 * @throws InputError if it holds no study, or a damaged one.
 *
 * @example
 * const { page, markdown } = await rebuildReport("runs/study");
 */
export async function rebuildReport(path: string): Promise<ReportFiles> {
  if (existsSync(path)) checkEntries(path);
  const folder = studyFolder(path);
  return writeStudy(
    path,
    existsSync(folder.config)
      ? await collectResults(readStudyConfig(folder.config), folder)
      : readStudy(path),
  );
}

const kindField = z.looseObject({ kind: z.enum(studyKindNames) });

/**
 * Reads the results of a study from its folder.
 *
 * @throws InputError if there is no study.json, or it is damaged
 */
export function readStudy(folder: string): StudyResults {
  const path = join(folder, studyFile);
  if (!existsSync(path)) {
    throw new InputError(`${folder} holds no ${studyFile}, so it is no study; name the folder of one.`);
  }
  const advice = "run the study again";
  return readJson(path, kindOf(readJson(path, kindField, advice)).results, advice);
}
