/** @file The folders that a studio was given: what lies in them may be read, and nothing else. */

import { type Dirent, existsSync, readdirSync, realpathSync } from "node:fs";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { makeFolder } from "../node/files/write.ts";
import { ApiError } from "../server/api-error.ts";

export interface Folders {
  /** Their real paths; runs begin in the first. */
  readonly list: readonly string[];
  /**
   * The real path of what is at a path, which may be relative to the folder that the studio was started in.
   *
   * @throws ApiError 403 if it is outside the folders, wherever links lead to, or hidden; 404 if there is nothing.
   */
  resolve(path: string): string;
  /**
   * All folders in them, themselves first, but hidden ones, links, and what lies deeper than {@link maximumDepth}.
   *
   * @param isLeaf whether what lies in a folder is passed over. Default: of none
   */
  walk(isLeaf?: (folder: FoundFolder) => boolean): Generator<FoundFolder>;
}

export interface FoundFolder {
  readonly path: string;
  /** What it is called within the folder that was named at the start; "" for that itself. */
  readonly name: string;
  /** Names of the files and folders in it, without links. */
  readonly files: ReadonlySet<string>;
  readonly folders: ReadonlySet<string>;
}

/** Levels below a folder that are looked through. */
const maximumDepth = 6;

/** The most folders that are looked through, so that a folder of everything cannot take for ever. */
const maximumFolders = 50_000;

/** Opens folders; those that are not there are made. */
export function openFolders(paths: readonly string[]): Folders {
  for (const path of paths) makeFolder(path);
  const list = [...new Set(paths.map((path) => realpathSync(path)))];
  const isWithin = (path: string) => list.some((folder) => isInside(relative(folder, path)));
  return {
    list,
    resolve(path) {
      const real = realPath(resolve(path));
      if (!isWithin(real))
        throw new ApiError(
          403,
          `${path} is not in a folder that the studio was given (${list.join(", ")}); move it there, or start the studio with its folder as well.`,
        );
      if (!existsSync(real)) throw new ApiError(404, `There is nothing at ${path}.`);
      return real;
    },
    *walk(isLeaf = () => false) {
      let count = 0;
      for (const root of list) {
        const waiting = [{ path: root, depth: 0 }];
        for (let next = waiting.pop(); next && count < maximumFolders; next = waiting.pop()) {
          count++;
          const { path, depth } = next;
          const entries = readEntries(path);
          const folder = {
            path,
            name: relative(root, path).replaceAll(sep, "/"),
            files: new Set(entries.filter((entry) => entry.isFile()).map(({ name }) => name)),
            folders: new Set(entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)),
          };
          yield folder;
          if (depth === maximumDepth || isLeaf(folder)) continue;
          for (const name of folder.folders)
            if (!name.startsWith(".")) waiting.push({ path: join(path, name), depth: depth + 1 });
        }
      }
    },
  };
}

/** Whether a path relative to a folder stays in it and is not hidden. */
function isInside(inner: string): boolean {
  return !isAbsolute(inner) && !inner.split(sep).some((part) => part.startsWith("."));
}

/** A path without links; one that leads nowhere as it is. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** What is in a folder; nothing if it has just gone or may not be read. */
function readEntries(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    return [];
  }
}
