/** @file The folders that a studio was given: what lies in them may be read, and nothing else. */

import { type Dirent, existsSync, readdirSync, realpathSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { makeFolder } from "../node/files/write.ts";
import { ApiError } from "../server/api-error.ts";

export interface Folders {
  /** Their real paths; runs begin in the first. */
  readonly list: readonly string[];
  /**
   * The real path of what is there under a path, which may be relative to the folder that the studio was started in.
   *
   * @throws ApiError 403 if it is outside the folders or hidden, wherever links lead to; 404 if nothing is there.
   */
  resolve(path: string): string;
  /** All folders in them, themselves first, but hidden ones, links, and what lies deeper than {@link maximumDepth}. */
  walk(): Generator<FoundFolder>;
}

export interface FoundFolder {
  readonly path: string;
  /** What it is called within the folder that was named at the start; "" for that itself. */
  readonly name: string;
  /** Names of the files and folders in it, without links. */
  readonly files: ReadonlySet<string>;
  readonly folders: readonly string[];
}

/** Levels below a folder that are looked through: studies keep their runs three levels down. */
const maximumDepth = 6;

/** The most folders that are looked through, so that a folder of everything cannot take for ever. */
const maximumFolders = 50_000;

/** Opens folders by their paths; those that are not there are made. @throws InputError if one cannot be made. */
export function openFolders(paths: readonly string[]): Folders {
  const list = [
    ...new Set(
      paths.map((path) => {
        makeFolder(path);
        return realpathSync(path);
      }),
    ),
  ];
  const isWithin = (path: string) =>
    list.some((folder) => {
      const inner = relative(folder, path);
      return inner === "" || !inner.split(sep).some((part) => part.startsWith(".") || resolve(part) === part);
    });
  return {
    list,
    resolve(path) {
      const refuse = () =>
        new ApiError(
          403,
          `${path} is not in a folder that the studio was given (${list.join(", ")}); move it there, or start the studio with its folder as well.`,
        );
      if (path.includes("\0")) throw refuse();
      const absolute = resolve(path);
      if (!existsSync(absolute)) {
        if (!isWithin(absolute)) throw refuse();
        throw new ApiError(404, `There is nothing at ${path}.`);
      }
      const real = realpathSync(absolute);
      if (!isWithin(real)) throw refuse();
      return real;
    },
    *walk() {
      let count = 0;
      for (const root of list) {
        const waiting: { path: string; depth: number }[] = [{ path: root, depth: 0 }];
        for (let next = waiting.pop(); next && count < maximumFolders; next = waiting.pop()) {
          count++;
          const { path, depth } = next;
          const entries = readEntries(path);
          const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
          const files = new Set(entries.filter((entry) => entry.isFile()).map(({ name }) => name));
          yield { path, name: relative(root, path).replaceAll(sep, "/"), files, folders };
          if (depth === maximumDepth) continue;
          for (const name of folders)
            if (!name.startsWith(".")) waiting.push({ path: join(path, name), depth: depth + 1 });
        }
      }
    },
  };
}

/** What is in a folder; nothing if it has just gone or may not be read. */
function readEntries(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    return [];
  }
}
