/** @file Files of the Hugging Face Hub, through its standard cache. */

import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import {
  datasetInfo,
  downloadFile,
  getHFHubCachePath,
  getRepoFolderName,
  HubApiError,
  type ListFileEntry,
  listFiles,
  modelInfo,
  type RepoId,
} from "@huggingface/hub";
import { InputError } from "../../core/errors.ts";
import { readWhole } from "../files/read.ts";
import { linkFile, makeFolder, writeInParts, writeWhole } from "../files/write.ts";

export interface HubOptions {
  /** Branch, tag or commit. Default "main". */
  readonly revision?: string;
  /** Use what is in the cache and ask for nothing. Default: whether HF_HUB_OFFLINE is set to 1, on, yes or true. */
  readonly offline?: boolean;
  /** Default: the standard cache, which HF_HOME and HF_HUB_CACHE move. */
  readonly cacheDir?: string;
  /** Default: HF_ENDPOINT, or https://huggingface.co. */
  readonly hubUrl?: string;
  /** What to do without the Hub, for messages. Default: "give a local path". */
  readonly alternative?: string;
  /** Called before each file that is not in the cache; `index` and `count` are among these. */
  readonly onDownload?: (file: string, index: number, count: number) => void;
}

/** Whether a text could be a repository's id, such as "openai/gsm8k". */
export function isHubId(name: string): boolean {
  return /^[\w.-]+\/[\w.-]+$/.test(name) && !name.startsWith(".");
}

/**
 * Downloads the files of a repository that `wanted` accepts, unless they are in the cache. All are of the one commit
 * that the revision is at. The Hub is asked for this commit and its files each time, so that a branch that moved is
 * noticed.
 *
 * @returns the folder of the commit in the cache
 * @throws InputError if the repository cannot be reached or has no such file, a file arrives damaged, or the
 *   revision is not in the cache when offline.
 */
export async function fetchFromHub(
  repo: RepoId,
  wanted: (path: string) => boolean,
  options: HubOptions = {},
): Promise<string> {
  const {
    revision = "main",
    cacheDir = getHFHubCachePath(),
    alternative = "give a local path",
    onDownload,
  } = options;
  if (!isSafePath(revision)) throw new InputError(`"${revision}" is not the name of a revision.`);
  const offline = options.offline ?? /^(?:1|on|yes|true)$/i.test(process.env.HF_HUB_OFFLINE ?? "");
  if (offline) return findInCache(repo, revision, cacheDir, alternative);

  const hub = { repo, ...hubAccess(options.hubUrl) };
  const root = join(cacheDir, getRepoFolderName(repo));
  try {
    const commit = await resolveCommit(hub, revision);
    const files: ListFileEntry[] = [];
    for await (const file of listFiles({ ...hub, revision: commit, recursive: true })) {
      if (file.type !== "file" || !wanted(file.path)) continue;
      if (!isSafePath(file.path)) throw new Error(`it has a file of the unsafe name "${file.path}"`);
      files.push(file);
    }
    if (files.length === 0) {
      throw new InputError(`The Hub's ${repo.type} ${repo.name} has no file that is needed.`);
    }
    const folder = join(root, "snapshots", commit);
    const missing = files.filter(({ path }) => !existsSync(join(folder, path)));
    for (const [index, file] of missing.entries()) {
      onDownload?.(file.path, index, missing.length);
      const blob = await downloadBlob(hub, commit, file, join(root, "blobs"));
      linkFile(join(folder, file.path), blob);
    }
    // Last, so that what a reference leads to is whole when offline.
    if (revision !== commit) writeReference(join(root, "refs", revision), commit);
    return folder;
  } catch (error) {
    throw describeFailure(error, repo, revision, alternative);
  }
}

/** Whether a name from elsewhere stays below the folder that it is joined to, on any system. */
function isSafePath(path: string): boolean {
  return path.split("/").every((part) => /^[^\\:]+$/.test(part) && part !== "." && part !== "..");
}

/** Where the Hub is, and as whom it is asked. */
export interface HubAccess {
  readonly hubUrl?: string;
  readonly accessToken?: string;
}

/**
 * The address of the Hub (`url`, or HF_ENDPOINT) and the token (HF_TOKEN, or the file that HF_TOKEN_PATH names, by default
 * `token` in the folder of HF_HOME), as the Hub's own programs find them.
 */
export function hubAccess(url?: string): HubAccess {
  const { HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME } = process.env;
  const hubUrl = (url ?? HF_ENDPOINT)?.replace(/\/+$/, "");
  const file = HF_TOKEN_PATH ?? join(HF_HOME ?? join(homedir(), ".cache", "huggingface"), "token");
  const accessToken = HF_TOKEN || readWhole(file, { isOptional: true })?.toString("utf8").trim();
  return { ...(hubUrl && { hubUrl }), ...(accessToken && { accessToken }) };
}

interface Hub extends HubAccess {
  readonly repo: RepoId;
}

const commitPattern = /^[0-9a-f]{40}$/;

async function resolveCommit({ repo, ...access }: Hub, revision: string): Promise<string> {
  if (commitPattern.test(revision)) return revision;
  const query = { name: repo.name, revision, additionalFields: ["sha" as const], ...access };
  const { sha } = repo.type === "dataset" ? await datasetInfo(query) : await modelInfo(query);
  if (!commitPattern.test(sha)) throw new Error(`it names no commit, but "${sha}"`);
  return sha;
}

/** Downloads a file of a commit into the folder of blobs, under the hash of its content, unless it is there. */
async function downloadBlob(
  hub: Hub,
  commit: string,
  { path, size, oid, lfs }: ListFileEntry,
  folder: string,
): Promise<string> {
  const expected = lfs?.oid ?? oid ?? "";
  if (!/^[0-9a-f]{40,64}$/.test(expected)) throw new Error(`it gives no hash of ${path}`);
  const blob = join(folder, expected);
  if (existsSync(blob)) return blob;

  const content = await downloadFile({ ...hub, path, revision: commit });
  if (!content) throw new Error(`it does not give ${path}`);
  makeFolder(folder);
  // Large files are named by their SHA-256, others as Git names them.
  const hash = lfs ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
  const received = async function* () {
    for await (const chunk of content.stream() as ReadableStream<Uint8Array>) {
      hash.update(chunk);
      yield chunk;
    }
    if (hash.digest("hex") !== expected) throw new Error(`${path} arrived damaged`);
  };
  await writeInParts(blob, received());
  return blob;
}

function writeReference(path: string, commit: string): void {
  makeFolder(dirname(path));
  writeWhole(path, commit);
}

function describeFailure(
  error: unknown,
  { type, name }: RepoId,
  revision: string,
  alternative: string,
): unknown {
  // Errors of the file system are described with their paths by who runs the command.
  if (error instanceof InputError || (error as NodeJS.ErrnoException).syscall !== undefined) return error;
  const status = error instanceof HubApiError ? error.statusCode : undefined;
  if (status === 401 || status === 403) {
    return new InputError(
      `The Hub does not let you read the ${type} ${name}; check the name, or set HF_TOKEN to a token of an account that may read it.`,
    );
  }
  if (status === 404) {
    return new InputError(
      `The Hub has no ${type} ${name} with the revision ${revision}; check both, or ${alternative}.`,
    );
  }
  // Of a failed connection, the cause says why.
  const { cause, message } = error instanceof Error ? error : new Error(String(error));
  const reason = cause instanceof Error && cause.message !== "" ? cause.message : message;
  return new InputError(
    `The Hub's ${type} ${name} (revision ${revision}) cannot be fetched: ${reason.replace(/\.$/, "")}; try again, set HF_HUB_OFFLINE=1 to use what was fetched before, or ${alternative}.`,
  );
}

function findInCache(repo: RepoId, revision: string, cacheDir: string, alternative: string): string {
  const root = join(cacheDir, getRepoFolderName(repo));
  const reference = join(root, "refs", revision);
  const commit = readWhole(reference, { isOptional: true })?.toString("utf8").trim() ?? revision;
  const folder = join(root, "snapshots", commit);
  if (isSafePath(commit) && existsSync(folder)) return folder;
  throw new InputError(
    `The ${repo.type} ${repo.name} (revision ${revision}) is not in the cache ${cacheDir}, and the Hub may not be asked (offline); connect once, or ${alternative}.`,
  );
}

/** All files below a folder, as paths within it. */
export function listFolder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) =>
    existsSync(join(folder, path)),
  );
}
