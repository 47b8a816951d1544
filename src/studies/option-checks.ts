/** @file What options of studies have in common: lists of names, and options of tuning runs. */

import { z } from "zod";
import { InputError } from "../core/errors.ts";

/** Options of a run, by their names in its config.yaml. */
export const runOptions = z.record(z.string(), z.unknown());

/**
 * @param lists by the names of their options
 * @param origin where they come from, for messages
 * @throws InputError if a list names something twice.
 */
export function checkNamedOnce(lists: Readonly<Record<string, readonly unknown[]>>, origin: string): void {
  for (const [name, values] of Object.entries(lists)) {
    const repeated = values.find((value, i) => values.indexOf(value) !== i);
    if (repeated !== undefined)
      throw new InputError(`${origin}: "${name}" names ${repeated} twice; name it once.`);
  }
}

/**
 * @param settings options of runs, each with the name of what sets them
 * @param decided options that the study sets itself
 * @param origin where they come from, for messages
 * @throws InputError if one of the latter is set.
 */
export function checkUndecided(
  settings: readonly (readonly [setter: string, options: z.output<typeof runOptions>])[],
  decided: readonly string[],
  origin: string,
): void {
  for (const [setter, options] of settings) {
    const taken = Object.keys(options).find((key) => decided.includes(key));
    if (taken !== undefined)
      throw new InputError(`${origin}: "${setter}" sets "${taken}", which the study decides.`);
  }
}
