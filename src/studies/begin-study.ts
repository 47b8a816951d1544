/** @file Begins a study in a folder, or opens the one that it holds. */

import { existsSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { stringify } from "yaml";
import { InputError } from "../core/errors.ts";
import { isoDay } from "../core/tokenization/strftime.ts";
import { isNewFolder } from "../node/files/folder.ts";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { readStudyConfig } from "./study-config.ts";
import { type StudyFolder, studyFolder } from "./study-folder.ts";
import type { StudyConfig } from "./study-kind.ts";

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
    const changed = Object.keys({ ...begun, ...config }).find(
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
