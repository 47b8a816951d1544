/** @file Files of the Hugging Face Hub, through its standard cache. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  downloadFileToCacheDir,
  getHFHubCachePath,
  getRepoFolderName,
  listFiles,
  type RepoId,
} from "@huggingface/hub";
import { InputError } from "../errors.ts";

export interface HubOptions {
  /** Branch, tag or commit. Default "main". */
  readonly revision?: string;
  /** Use what is in the cache and ask for nothing. Default: whether HF_HUB_OFFLINE is set to 1. */
  readonly offline?: boolean;
  /** Default: the standard cache, which HF_HOME and HF_HUB_CACHE move. */
  readonly cacheDir?: string;
  readonly hubUrl?: string;
  /** Called before each file. */
  readonly onDownload?: (file: string, index: number, count: number) => void;
}

/** Whether a text could be a repository's id, such as "openai/gsm8k". */
export function isHubId(name: string): boolean {
  return /^[\w.-]+\/[\w.-]+$/.test(name) && !name.startsWith(".");
}

/**
 * Downloads the files of a repository that `wanted` accepts, unless they are in the cache.
 *
 * @returns the folder of the revision in the cache
 * @throws InputError if the repository cannot be reached or has no such file, or is not in the cache when offline.
 */
export async function fetchFromHub(
  repo: RepoId,
  wanted: (path: string) => boolean,
  options: HubOptions = {},
): Promise<string> {
  const { revision = "main", cacheDir = getHFHubCachePath(), onDownload } = options;
  const offline = options.offline ?? process.env.HF_HUB_OFFLINE === "1";
  if (offline) return findInCache(repo, revision, cacheDir);
  const token = process.env.HF_TOKEN;
  const access = {
    ...(token !== undefined && { accessToken: token }),
    ...(options.hubUrl !== undefined && { hubUrl: options.hubUrl }),
  };
  try {
    const files: string[] = [];
    for await (const file of listFiles({ repo, revision, recursive: true, ...access })) {
      if (file.type === "file" && wanted(file.path)) files.push(file.path);
    }
    if (files.length === 0)
      throw new InputError(`The Hub's ${repo.type} ${repo.name} has no file that is needed.`);
    let folder = "";
    for (const [index, path] of files.entries()) {
      onDownload?.(path, index, files.length);
      const file = await downloadFileToCacheDir({ repo, path, revision, cacheDir, ...access });
      folder = path.split("/").reduce((parent) => dirname(parent), file);
    }
    return folder;
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(
      `The Hub's ${repo.type} ${repo.name} (revision ${revision}) cannot be fetched: ${(error as Error).message}; check the name and the network, or give a local path.`,
    );
  }
}

function findInCache(repo: RepoId, revision: string, cacheDir: string): string {
  const root = join(cacheDir, getRepoFolderName(repo));
  const reference = join(root, "refs", revision);
  const commit = existsSync(reference) ? readFileSync(reference, "utf8").trim() : revision;
  const folder = join(root, "snapshots", commit);
  if (/^[\w.-]+$/.test(commit) && existsSync(folder)) return folder;
  throw new InputError(
    `The ${repo.type} ${repo.name} (revision ${revision}) is not in the cache ${cacheDir}, and the Hub may not be asked (offline); connect once, or give a local path.`,
  );
}

/** All files below a folder, as paths within it. */
export function listFolder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) =>
    existsSync(join(folder, path)),
  );
}
