/** @file Folders that are written into: what may be in them. */

import { readdirSync, statSync } from "node:fs";
import { InputError } from "../errors.ts";
import { isLock } from "./lock.ts";
import { isTemporary } from "./temporary.ts";

/**
 * Whether a folder that is to be written into is new: it is not there, or holds nothing but these files and what a
 * process leaves that was ended.
 *
 * @throws InputError if it is a file.
 */
export function isNewFolder(path: string, files: readonly string[] = []): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found && !found.isDirectory()) {
    throw new InputError(`The output folder ${path} is a file; choose another folder.`);
  }
  return (
    !found || readdirSync(path).every((name) => isTemporary(name) || isLock(name) || files.includes(name))
  );
}

/** @throws InputError if there is something in the folder. */
export function checkNewFolder(path: string): void {
  if (!isNewFolder(path)) {
    throw new InputError(`The output folder ${path} is not empty; choose another one.`);
  }
}
