/** @file Writing files and folders so that what can be seen under a name is whole at any time, whenever the process ends. */

import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { InputError } from "../../core/errors.ts";
import { giveWay } from "../../core/event-loop.ts";
import { explainError } from "./explain-error.ts";
import { discardTemporary, sweepTemporaries, temporaryBeside } from "./temporary.ts";

/**
 * Writes a file. One that is there, or a link, is replaced at once.
 *
 * @param mode who may read and write it, of which the process's mask takes away
 * @throws InputError if the disk does not take the file; then none is left behind.
 */
export function writeWhole(path: string, content: string | Uint8Array, mode?: number): void {
  replaceBy(path, (temporary) => {
    const descriptor = createFile(temporary, mode);
    try {
      writeAll(descriptor, content);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  });
}

/** Copies a file, as {@link writeWhole} writes one. */
export function copyFile(from: string, to: string): void {
  replaceBy(to, (temporary) => copyFileSync(from, temporary, constants.COPYFILE_EXCL));
}

function replaceBy(path: string, make: (temporary: string) => void): void {
  const temporary = temporaryBeside(path);
  try {
    make(temporary);
    place(temporary, path);
  } catch (error) {
    throw describeFailure(error, path, temporary);
  } finally {
    discardTemporary(temporary);
  }
}

/**
 * Writes a file as {@link writeWhole}, part by part. Between two of them, the process can be interrupted.
 *
 * @throws InputError if the disk does not take the file; whatever fails, none is left behind.
 */
export function writeInParts(path: string, parts: AsyncIterable<Uint8Array>): Promise<void> {
  return writeAside(path, async (temporary) => {
    const descriptor = createFile(temporary);
    try {
      for await (const bytes of parts) {
        writeAll(descriptor, bytes);
        await giveWay();
      }
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  });
}

/**
 * Writes a folder. If there is one, its files of the same names are replaced, and others are kept.
 *
 * @param write writes the files into the folder that it is given
 * @throws InputError if the disk does not take the folder; whatever fails, none is left behind.
 */
export function writeFolderWhole<T>(folder: string, write: (temporary: string) => Promise<T>): Promise<T> {
  makeFolder(dirname(resolve(folder)));
  return writeAside(folder, async (temporary) => {
    mkdirSync(temporary);
    return await write(temporary);
  });
}

/**
 * Has a file or folder made under a temporary name, and gives it its name when that is done.
 *
 * @throws InputError if the disk does not take it; whatever fails, nothing is left behind.
 */
export async function writeAside<T>(path: string, make: (temporary: string) => Promise<T>): Promise<T> {
  // A link that the user names leads to where it shall be written.
  const target = existsSync(path) ? realpathSync(path) : resolve(path);
  const temporary = temporaryBeside(target);
  try {
    sweepTemporaries(dirname(target));
    const made = await make(temporary);
    place(temporary, target);
    return made;
  } catch (error) {
    throw describeFailure(error, path, temporary);
  } finally {
    discardTemporary(temporary);
  }
}

/** Makes a folder, and those on the way to it, unless it is there. */
export function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true });
}

/** Removes a file or folder, if there is one; a folder disappears as a whole. */
export function remove(path: string): void {
  const temporary = temporaryBeside(path);
  try {
    renameSync(path, temporary);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  } finally {
    discardTemporary(temporary);
  }
}

/** Makes a link at `path` to a file, or copies that where links are not allowed, as on Windows. */
export function linkFile(path: string, file: string): void {
  makeFolder(dirname(path));
  rmSync(path, { force: true });
  try {
    symlinkSync(relative(dirname(path), file), path);
  } catch {
    copyFileSync(file, path);
  }
}

/** A new file, open for writing; a link of this name is not followed. */
function createFile(path: string, mode?: number): number {
  return openSync(path, "wx", mode);
}

/** Writes all bytes of a content at the end of a file. */
export function writeAll(descriptor: number, content: string | Uint8Array): void {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done, bytes.length - done);
}

/** Gives what was written its name. */
function place(temporary: string, target: string): void {
  if (lstatSync(temporary).isDirectory() && isFilledFolder(target)) {
    for (const name of readdirSync(temporary)) renameSync(join(temporary, name), join(target, name));
    rmdirSync(temporary);
  } else renameSync(temporary, target);
  syncFolder(dirname(target));
}

function isFilledFolder(path: string): boolean {
  try {
    return readdirSync(path).length > 0;
  } catch {
    return false;
  }
}

/** So that a new name outlasts a power cut. */
function syncFolder(path: string): void {
  // Windows opens no folders.
  if (process.platform === "win32") return;
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** An error of the system as a sentence; others as they are. */
function describeFailure(error: unknown, path: string, temporary: string): unknown {
  const { message, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  const reason = message.replaceAll(temporary, path);
  return new InputError(
    explainError(error, path) ??
      `${path} cannot be written (${reason}); check the folder and the space on the disk.`,
    { cause: error },
  );
}
