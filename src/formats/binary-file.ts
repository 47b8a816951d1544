/** @file Files of bytes: read by position, and written as a whole. */

import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { InputError } from "../errors.ts";

/** Node reads at most 2^31 - 1 bytes at a time. */
const maxReadBytes = 2 ** 30;

/**
 * Opens a file for reading.
 *
 * @throws InputError if there is none, or it is something else (a folder, or a pipe that would never be ready).
 */
export function openForReading(path: string): number {
  try {
    if (statSync(path).isFile()) return openSync(path, "r");
  } catch {
    // The one sentence below fits.
  }
  throw new InputError(`${path} cannot be opened for reading; check that it exists.`);
}

/** Reads exactly `length` bytes, into memory of their own unless `bytes`, of that length, are given. */
export function readAt(
  descriptor: number,
  position: number,
  length: number,
  path: string,
  bytes = new Uint8Array(length),
): Uint8Array<ArrayBuffer> {
  for (let done = 0; done < length; ) {
    const count = readSync(descriptor, bytes, done, Math.min(length - done, maxReadBytes), position + done);
    if (count === 0)
      throw new InputError(`${path} ends before byte ${position + length}; the file is truncated.`);
    done += count;
  }
  return bytes;
}

/**
 * Writes a file under a temporary name that is changed when it is whole.
 *
 * @param write appends the file's bytes, part by part
 * @throws InputError if the disk does not take the file; whatever fails, none is left behind.
 */
export async function writeWhole(
  path: string,
  write: (append: (bytes: Uint8Array) => void) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const descriptor = openSync(temporary, "w");
    try {
      await write((bytes) => writeAll(descriptor, bytes));
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new InputError(
      `${path} cannot be written (${(error as Error).message}); check the folder and the space on the disk.`,
      { cause: error },
    );
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done, bytes.length - done);
}
