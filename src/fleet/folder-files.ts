/** @file The files of a folder by their hash. */

import { closeSync, fstatSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { isLock } from "../node/files/folder.ts";
import { openForReading, readAt } from "../node/files/read.ts";
import { isTemporary } from "../node/files/temporary.ts";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { hashOf, type Transport } from "../transport/transport.ts";
import type { FleetFile } from "./task.ts";

/** A file that was read, unless it has changed since. */
interface Known {
  readonly mtimeMs: number;
  readonly bytes: number;
  readonly hash: string;
}

export interface FileHashes {
  /** The files of a folder, or the file itself with the path "", in the order in which they were written. */
  list(path: string): Promise<FleetFile[]>;
}

/** Remembers the hashes of files that do not change. */
export function createFileHashes(): FileHashes {
  const known = new Map<string, Known>();
  async function hash(path: string): Promise<Known> {
    const { mtimeMs, size } = statSync(path);
    const before = known.get(path);
    if (before && before.mtimeMs === mtimeMs && before.bytes === size) return before;
    const file = { mtimeMs, bytes: size, hash: hashOf(await readFile(path)) };
    known.set(path, file);
    return file;
  }
  return {
    async list(path) {
      const paths = statSync(path).isFile() ? [""] : listPaths(path);
      const files = [];
      for (const one of paths) files.push({ path: one, ...(await hash(join(path, one))) });
      return files
        .sort((a, b) => a.mtimeMs - b.mtimeMs)
        .map(({ path: at, hash: of, bytes }) => ({ path: at, hash: of, bytes }));
    },
  };
}

/** The paths in a folder of its files, but for locks and what is being written. */
function listPaths(folder: string, below = ""): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (isTemporary(entry.name) || isLock(entry.name)) return [];
    if (entry.isDirectory()) return listPaths(folder, path);
    return statSync(join(folder, path), { throwIfNoEntry: false })?.isFile() ? [path] : [];
  });
}

/** Reads a file of any size. */
export async function readFile(path: string): Promise<Uint8Array> {
  const descriptor = openForReading(path);
  try {
    return await readAt(descriptor, 0, fstatSync(descriptor).size, path);
  } finally {
    closeSync(descriptor);
  }
}

/** Puts files of a folder where a fleet's members find them. */
export type FileSender = (folder: string, files: readonly FleetFile[]) => Promise<void>;

/** Sends each content once. */
export function createFileSender(transport: Transport, space: string): FileSender {
  const sent = new Map<string, Promise<void>>();
  const send = async (path: string, hash: string) => {
    if ((await transport.putBlob(space, await readFile(path))) !== hash)
      throw new Error(`${path} changed while it was sent.`);
  };
  return async (folder, files) => {
    for (const { path, hash } of files) {
      if (!sent.has(hash)) sent.set(hash, send(join(folder, path), hash));
      await sent.get(hash);
    }
  };
}

/** Writes files into a folder, one after the other in their order. @param read gives the content */
export async function writeFiles(
  folder: string,
  files: readonly FleetFile[],
  read: (file: FleetFile) => Promise<Uint8Array>,
): Promise<void> {
  for (const file of files) {
    const path = join(folder, file.path);
    makeFolder(dirname(path));
    writeWhole(path, await read(file));
  }
}
