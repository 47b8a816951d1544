/** @file What files say, read again only where they have changed. */

import { statSync } from "node:fs";

/** The largest file that is read for a list. */
const maximumBytes = 2 ** 24;

/**
 * A reader that keeps what it has read.
 *
 * @param read what is wanted of a file; undefined, or an error, if it is not such a file
 * @returns a reader that gives undefined for what is missing, too large or no such file, and when the file has changed last
 */
export function createFileReader<T>(
  read: (path: string) => T | undefined,
): (path: string) => { readonly value: T; readonly changedAt: number } | undefined {
  const seen = new Map<string, { readonly stamp: string; readonly value: T | undefined }>();
  return (path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found?.isFile() || found.size > maximumBytes) return undefined;
    const stamp = `${found.mtimeMs} ${found.size} ${found.ino}`;
    let known = seen.get(path);
    if (known?.stamp !== stamp) {
      known = { stamp, value: attempt(() => read(path)) };
      seen.set(path, known);
    }
    return known.value === undefined ? undefined : { value: known.value, changedAt: found.mtimeMs };
  };
}

function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
