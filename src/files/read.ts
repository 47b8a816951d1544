/** @file Reading files, and only files: a pipe or a device would never be ready, or never end. */

import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { InputError } from "../errors.ts";
import { explainError } from "./explain-error.ts";

/** Node reads at most 2^31 - 1 bytes at a time. */
const maxReadBytes = 2 ** 30;

// Windows has none.
const { O_NONBLOCK = 0 } = constants as Partial<typeof constants>;

/**
 * Opens a file for reading.
 *
 * @throws InputError if there is none, or it is something else.
 */
export function openForReading(path: string): number {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | O_NONBLOCK);
  } catch (error) {
    throw new InputError(explainError(error, path) ?? describeMissing(path), { cause: error });
  }
  const found = fstatSync(descriptor);
  if (found.isFile()) return descriptor;
  closeSync(descriptor);
  throw new InputError(
    found.isDirectory()
      ? describeMissing(path)
      : `${path} is a pipe or a device, which cannot be read like a file; write its content to a file first.`,
  );
}

function describeMissing(path: string): string {
  return `${path} cannot be opened for reading; check that it exists.`;
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
 * Reads a file whole.
 *
 * @param options whether the file need not be there; then there is nothing
 * @throws InputError as {@link openForReading}
 */
export function readWhole(path: string): Buffer;
export function readWhole(path: string, options: { readonly isOptional: true }): Buffer | undefined;
export function readWhole(path: string, { isOptional = false } = {}): Buffer | undefined {
  let descriptor: number;
  try {
    descriptor = openForReading(path);
  } catch (error) {
    if (isOptional && ((error as Error).cause as NodeJS.ErrnoException)?.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
