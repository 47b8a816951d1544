/** @file Folders that are written into: what may be in them. */

import { type Dirent, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { isTemporary } from "./temporary.ts";

export const lockName = "lock";

/** Whether a file of this name is a folder's lock, or the right to replace one. */
export function isLock(name: string): boolean {
  return name === lockName || name.startsWith(`${lockName}.`);
}

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

/**
 * Asked before anything is written into a folder that may come from a stranger. It may itself be named by a link.
 *
 * @throws InputError if there is anything but files and folders in it, through which others would be written.
 */
export function checkEntries(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) checkEntries(path);
    else if (!entry.isFile())
      throw new InputError(
        `${path} is ${describeKind(entry)}, through which something else would be written or read; put a file or folder in its place, or remove it.`,
      );
  }
}

function describeKind(entry: Dirent): string {
  return entry.isSymbolicLink() ? "a symbolic link" : "a pipe, socket or device";
}
