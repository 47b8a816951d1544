/** @file Reading files, and only files: a pipe or a device would never be ready, or never end. */

import { constants } from "node:buffer";
import { closeSync, constants as flags, fstatSync, openSync, read, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { InputError } from "../../core/errors.ts";
import { explainError } from "./explain-error.ts";

/** Node reads at most 2^31 - 1 bytes at a time. */
const maxReadBytes = 2 ** 30;

// Windows has none.
const { O_NONBLOCK = 0 } = flags as Partial<typeof flags>;

/**
 * Opens a file for reading.
 *
 * @throws InputError if there is none, or it is something else.
 */
export function openForReading(path: string): number {
  let descriptor: number;
  try {
    descriptor = openSync(path, flags.O_RDONLY | O_NONBLOCK);
  } catch (error) {
    throw new InputError(explainError(error, path) ?? describeMissing(path), { cause: error });
  }
  const found = fstatSync(descriptor);
  if (found.isFile()) return descriptor;
  closeSync(descriptor);
  throw new InputError(found.isDirectory() ? describeMissing(path) : describePipe(path));
}

function describePipe(path: string): string {
  return `${path} is a pipe or a device, which cannot be read like a file; write its content to a file first.`;
}

function describeMissing(path: string): string {
  return `${path} cannot be opened for reading; check that it exists.`;
}

const readSome = promisify(read);

/** Reads exactly `length` bytes, into memory of their own unless `bytes`, of that length, are given. */
export async function readAt(
  descriptor: number,
  position: number,
  length: number,
  path: string,
  bytes = new Uint8Array(length),
): Promise<Uint8Array<ArrayBuffer>> {
  for (let done = 0; done < length; ) {
    const most = Math.min(length - done, maxReadBytes);
    const { bytesRead } = await readSome(descriptor, bytes, done, most, position + done);
    if (bytesRead === 0)
      throw new InputError(`${path} ends before byte ${position + length}; the file is truncated.`);
    done += bytesRead;
  }
  return bytes;
}

/**
 * Reads a file whole.
 *
 * @param options whether the file need not be there; then there is nothing
 * @throws InputError if there is no file, or it is too large.
 */
export function readWhole(path: string): Buffer;
export function readWhole(path: string, options: { readonly isOptional: true }): Buffer | undefined;
export function readWhole(path: string, { isOptional = false } = {}): Buffer | undefined {
  let descriptor: number;
  try {
    descriptor = openForReading(path);
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    if (isOptional && cause?.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    if (fstatSync(descriptor).size > constants.MAX_STRING_LENGTH)
      throw new InputError(`${path} is too large to be read at once; divide it.`);
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a text file in UTF-8 whole.
 *
 * @throws InputError if there is no file, it is too large, or it is no text in UTF-8.
 */
export function readText(path: string): string {
  const bytes = readWhole(path);
  try {
    return utf8.decode(bytes);
  } catch {
    throw new InputError(`${path}: the text is not in UTF-8; convert the file.`);
  }
}
