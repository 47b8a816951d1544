/** @file Files of bytes, read by position. */

import { openSync, readSync, statSync } from "node:fs";
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

/** Reads exactly `length` bytes into memory of their own. */
export function readAt(
  descriptor: number,
  position: number,
  length: number,
  path: string,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const count = readSync(descriptor, bytes, done, Math.min(length - done, maxReadBytes), position + done);
    if (count === 0)
      throw new InputError(`${path} ends before byte ${position + length}; the file is truncated.`);
    done += count;
  }
  return bytes;
}
