/** @file The options of a study: the content of its study.yaml. */

import { existsSync } from "node:fs";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { parseOptions } from "../core/parse-fields.ts";
import { readYaml } from "../node/files/structured.ts";
import { kindOf, type StudyKindName, studyKindNames, type studyKinds } from "./kinds.ts";

/** A study's options as a person gives them: `kind` says which there are. */
export type StudyOptions<Kind extends StudyKindName = StudyKindName> = {
  [Name in Kind]: z.input<(typeof studyKinds)[Name]["options"]>;
}[Kind];

/** The same with every default filled in. */
export type ParsedStudyOptions = {
  [Name in StudyKindName]: z.output<(typeof studyKinds)[Name]["options"]>;
}[StudyKindName];

const kindField = z.looseObject({ kind: z.enum(studyKindNames) });

/**
 * Fills in the defaults and checks every option.
 *
 * @param origin where the options come from, for messages
 * @throws InputError naming the first option that is unknown or has a bad value, or what contradicts it.
 */
export function parseStudyConfig(options: unknown, origin: string): ParsedStudyOptions {
  const kind = kindOf(parseOptions(kindField, options, origin));
  const config = parseOptions(kind.options, options, origin) as ParsedStudyOptions;
  kind.check?.(config, origin);
  return config;
}

/** Reads a study.yaml. @throws InputError if it is missing, no YAML, or not valid. */
export function readStudyConfig(path: string): ParsedStudyOptions {
  if (!existsSync(path)) throw new InputError(`There is no ${path}.`);
  return parseStudyConfig(readYaml(path), path);
}
