/** @file How the content of a folder is made, kept in it, so that it is gone on with in no other way. */

import { isDeepStrictEqual } from "node:util";
import { InputError } from "../core/errors.ts";
import { writeWhole } from "../node/files/write.ts";

/**
 * Writes the settings of what is begun, or compares them with those of what was.
 *
 * @param begun those in the file; undefined if there is none
 * @param what is begun, for the message
 * @param renamed settings that may change: names of what may have moved
 * @throws InputError if the file says otherwise.
 */
export function keepSettings<Settings extends object>(
  path: string,
  begun: Settings | undefined,
  settings: Settings,
  what: string,
  renamed: readonly (keyof Settings)[],
): void {
  if (!begun) {
    writeWhole(path, `${JSON.stringify(settings, null, 2)}\n`);
    return;
  }
  const names = Object.keys(settings) as (keyof Settings & string)[];
  const changed = names.find(
    (name) => !renamed.includes(name) && !isDeepStrictEqual(begun[name], settings[name]),
  );
  if (changed !== undefined) {
    throw new InputError(
      `${path} belongs to ${what} that were begun with another ${changed} (${begun[changed]}, and now ${settings[changed]}); choose another folder, or give the same options.`,
    );
  }
}
