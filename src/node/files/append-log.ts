/** @file Files that grow line by line or record by record, and lose no whole one when their writer is ended. */

import { closeSync, constants, fstatSync, ftruncateSync, openSync } from "node:fs";
import { InputError } from "../../core/errors.ts";
import { explainError } from "./explain-error.ts";
import { writeAll } from "./write.ts";

export interface AppendLog {
  /** Adds to the end of the file. */
  append(content: string | Uint8Array): void;
  close(): void;
}

/**
 * Opens a file to add to its end; it is made if there is none.
 *
 * @param keep how many bytes of it are kept. Default: all
 * @throws InputError if it is a link, or no file.
 */
export function openAppendLog(path: string, keep?: number): AppendLog {
  const descriptor = openOrExplain(path);
  if (!fstatSync(descriptor).isFile()) {
    closeSync(descriptor);
    throw new InputError(`${path} is no ordinary file; remove it.`);
  }
  if (keep !== undefined) ftruncateSync(descriptor, keep);
  return {
    append: (content) => writeAll(descriptor, content),
    close: () => closeSync(descriptor),
  };
}

const { O_WRONLY, O_CREAT, O_APPEND } = constants;
// Windows has neither.
const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants as Partial<typeof constants>;

function openOrExplain(path: string): number {
  try {
    return openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o666);
  } catch (error) {
    const explanation = explainError(error, path);
    throw explanation === undefined ? error : new InputError(explanation, { cause: error });
  }
}
