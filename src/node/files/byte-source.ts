/** @file Files and folders as sources of bytes. */

import { closeSync, fstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { ByteSource, SourceFolder } from "../../core/formats/byte-source.ts";
import { openForReading, readAt } from "./read.ts";

/** Opens a file, which stays open until it is closed. @throws InputError if there is none, or it is something else. */
export function openSource(path: string): ByteSource {
  const descriptor = openForReading(path);
  return {
    name: path,
    size: fstatSync(descriptor).size,
    read: (start, end) => readAt(descriptor, start, end - start, path),
    close: () => closeSync(descriptor),
  };
}

/** The files of a folder. */
export function openSourceFolder(path: string): SourceFolder {
  return {
    name: path,
    files: new Set(readdirSync(path)),
    open: async (file) => openSource(join(path, file)),
  };
}
