/** @file What there is to choose from: the machine, and what is in a folder. */

import { existsSync, readdirSync, type Stats, statSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { extname, join } from "node:path";
import { slimtuneVersion } from "../evaluation/model-identity.ts";
import { rowFileExtensions } from "../node/formats/rows.ts";
import { deviceNames } from "../node/runtime/onnx-runtime.ts";
import type { FolderListing, StudioInfo } from "./api.ts";
import type { Folders } from "./folders.ts";
import { embeddedModel } from "./given-options.ts";

type Entry = FolderListing["entries"][number];

export function describeMachine({ list }: Folders, maximumUploadBytes: number): StudioInfo {
  return {
    version: slimtuneVersion,
    folders: list,
    embeddedModel,
    devices: deviceNames,
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    maximumUploadBytes,
  };
}

/**
 * What is in a folder, folders first; without one, the folders themselves. Hidden files are left out, and links that lead out.
 *
 * @throws ApiError 403 or 404 if it is not there, or not in the folders; InputError if it is a file.
 */
export function listFolder(folders: Folders, folder?: string): FolderListing {
  if (folder === undefined)
    return { folder: "", entries: folders.list.map((path) => describe(path, path, statSync(path))) };
  const path = folders.resolve(folder);
  const entries = readdirSync(path).flatMap((name): Entry[] => {
    try {
      const real = folders.resolve(join(path, name));
      return [describe(name, join(path, name), statSync(real))];
    } catch {
      return [];
    }
  });
  return {
    folder: path,
    entries: entries.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name)),
  };
}

function describe(name: string, path: string, found: Stats): Entry {
  return { name, path, kind: kindOf(path, found), bytes: found.isFile() ? found.size : 0 };
}

function kindOf(path: string, found: Stats): Entry["kind"] {
  if (found.isDirectory()) {
    const has = (name: string) => existsSync(join(path, name));
    if (has("config.yaml") && has("inputs.json")) return "run";
    return has("config.json") && has("tokenizer.json") ? "model" : "folder";
  }
  const ending = extname(path).toLowerCase();
  if (ending === ".gguf") return "model";
  return rowFileExtensions.includes(ending) ? "data" : "other";
}

function rank({ kind }: Entry): number {
  return kind === "folder" ? 0 : 1;
}
