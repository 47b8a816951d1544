/** @file Levels that people have given. */

import { InputError } from "../core/errors.ts";
import { readRows } from "../node/formats/rows.ts";
import type { Rubric } from "./rubric.ts";
import type { AssessedText } from "./texts.ts";

/** Of one person or several: by text and dimension, the levels that they gave. */
export type Ratings = ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>;

/**
 * Reads ratings: rows with `text`, the id of a text or window, and a column for each dimension that was rated; one row for each rater.
 *
 * @throws InputError if a row rates no text that is assessed or gives no level of the rubric, or no dimension is rated.
 */
export async function readRatings(
  path: string,
  rubric: Rubric,
  texts: readonly AssessedText[],
): Promise<Ratings> {
  const ids = new Set(texts.map(({ id }) => id));
  const ratings = new Map<string, Map<string, number[]>>();
  const unknown: string[] = [];
  let isRated = false;
  for await (const { fields, line } of readRows(path)) {
    const where = `${path}, line ${line}`;
    if (fields.text === undefined)
      throw new InputError(`${where}: there is no column "text"; name the rated text in it.`);
    const id = String(fields.text);
    if (!ids.has(id)) unknown.push(id);
    for (const { name, levels } of rubric.dimensions) {
      const given = fields[name];
      if (given == null || given === "") continue;
      const level = levels.find(({ level }) => Number(given) === level);
      if (!level) {
        throw new InputError(
          `${where}: ${JSON.stringify(given)} is no level of ${name}; its levels are ${levels[0]!.level} to ${levels.at(-1)!.level}.`,
        );
      }
      isRated = true;
      const ofText = ratings.get(id) ?? new Map<string, number[]>();
      ratings.set(id, ofText.set(name, [...(ofText.get(name) ?? []), level.level]));
    }
  }
  if (!isRated) {
    const names = rubric.dimensions.map(({ name }) => name).join(", ");
    throw new InputError(
      `${path} rates none of the dimensions ${names}; give a column of that name to each that is rated.`,
    );
  }
  if (unknown.length > 0) {
    throw new InputError(
      `${path} rates ${unknown.length} texts that are not assessed, the first of them ${unknown[0]}; the assessed ones are ${[...ids].slice(0, 3).join(", ")}${ids.size > 3 ? " and so on" : ""}, so give their ids, or the file of those texts.`,
    );
  }
  return ratings;
}

/** The middle of levels, the lower one of two. */
export function lowerMedian(levels: readonly number[]): number {
  return [...levels].sort((a, b) => a - b)[Math.ceil(levels.length / 2) - 1]!;
}
