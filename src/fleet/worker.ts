/** @file A worker of a fleet: takes parts of studies and of evaluations from a queue, computes them as their own machine would, and returns their files. */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { InputError } from "../core/errors.ts";
import { parseJson } from "../core/formats/json-document.ts";
import { parseFields } from "../core/parse-fields.ts";
import { withLock } from "../node/files/lock.ts";
import { copyFile, makeFolder, remove, writeWhole } from "../node/files/write.ts";
import { thisMachine } from "../studies/machine.ts";
import { readPartsConfig } from "../studies/parts-folder.ts";
import { type PartOutcome, runPart } from "../studies/run-part.ts";
import { type Claim, MissingPlaceError, StaleDocumentError, type Transport } from "../transport/transport.ts";
import { createFileHashes, createFileSender } from "./folder-files.ts";
import {
  type FleetFile,
  heartbeatMs,
  maxAttempts,
  stateSchema,
  type Task,
  type TaskState,
  taskSchema,
} from "./task.ts";

export interface WorkerOptions {
  readonly transport: Transport;
  /** Whose queue and space it uses. */
  readonly fleet: string;
  /** Folder of its own: of what it has fetched, and of the part that it computes. */
  readonly folder: string;
  /** By which those who give out work call it. */
  readonly name: string;
  /** If aborted, the part that is computed is given back. */
  readonly signal: AbortSignal;
  /** A part was begun, or has ended so. */
  onPart?(name: string, outcome?: PartOutcome): void;
}

const maxTaskBytes = 16 * 1024 ** 2;

/**
 * Works until it is told to end. What it is given is data: which part of a study or an evaluation to compute, with options and files
 * that are checked as those of strangers are. It computes nothing else.
 *
 * @throws InputError if the transport cannot be reached any more, or another worker uses the folder.
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { transport, fleet, folder, signal } = options;
  await withLock(folder, "worker", async () => {
    remove(tasksFolder(folder));
    while (!signal.aborted) {
      try {
        const claim = await transport.claim(fleet, { waitMs: 60_000, signal });
        if (claim) await work(claim, options);
      } catch (error) {
        // Nothing has been given out yet.
        if (!(error instanceof MissingPlaceError)) throw error;
        await setTimeout(1000, undefined, { signal }).catch(() => {});
      }
    }
  });
}

/** Where the tasks are that are not finished. */
function tasksFolder(folder: string): string {
  return join(folder, "tasks");
}

/** Computes a task, and says meanwhile that it lives. */
async function work(claim: Claim, options: WorkerOptions): Promise<void> {
  const state = await openState(claim.id, options);
  if (state.isSettled) return await claim.done();
  if (claim.attempt > maxAttempts) {
    const message = `${maxAttempts} workers were given this part, and none has finished it; look at their memory.`;
    await state.write({ type: "failed", message, isFatal: false });
    return await claim.done();
  }

  const stop = new AbortController();
  const onAbort = () => stop.abort();
  options.signal.addEventListener("abort", onAbort);
  const told = { type: "progress", worker: options.name, text: "fetching files" } as const;
  let text: string = told.text;
  let written = "";
  const beat = async () => {
    await claim.extend();
    if (text === written) return;
    written = text;
    // Another worker has it, or it is not wanted any more.
    if (!(await state.write({ ...told, text }))) stop.abort();
  };
  // A broker that does not answer is told when the part ends.
  let beating = beat().catch(() => {});
  const heart = setInterval(() => {
    beating = beating.then(beat).catch(() => {});
  }, heartbeatMs);
  try {
    const outcome = await compute(claim.id, options, stop.signal, (progress) => {
      text = progress;
    });
    clearInterval(heart);
    await beating;
    if (outcome === "interrupted") await claim.release();
    else if (await state.write(outcome)) await claim.done();
  } finally {
    clearInterval(heart);
    options.signal.removeEventListener("abort", onAbort);
  }
}

/** The document that tells what becomes of a task, while it is this worker's to write. */
async function openState(id: string, { transport, fleet }: WorkerOptions) {
  const before = await transport.readDocument(fleet, id);
  let revision = before?.revision ?? 0;
  const state = before && parseFields(stateSchema, before.value, `The state of the task ${id}`);
  return {
    isSettled: state !== undefined && state.type !== "progress",
    /** @returns false if another has written it */
    async write(next: TaskState): Promise<boolean> {
      try {
        revision = await transport.writeDocument(fleet, id, next, revision);
        return true;
      } catch (error) {
        if (error instanceof StaleDocumentError) return false;
        throw error;
      }
    },
  };
}

/**
 * Computes a task's part in a folder in which all that it needs stands where it does for who gave it out.
 *
 * @returns the state in which the task then is
 */
async function compute(
  id: string,
  options: WorkerOptions,
  signal: AbortSignal,
  onProgress: (text: string) => void,
): Promise<TaskState | "interrupted"> {
  const { transport, fleet, folder, onPart } = options;
  const root = join(tasksFolder(folder), id);
  try {
    const task = await readTask(id, options);
    const path = join(root, task.folder);
    const missing = task.files.filter((file) => !existsSync(join(path, file.path)));
    await fetchFiles(root, task.inputs, options);
    await fetchFiles(path, missing, options);
    readPartsConfig(path);
    onPart?.(task.part);
    const outcome = await runPart({ path: task.folder }, { name: task.part }, onProgress, signal, root);
    onPart?.(task.part, outcome);
    if (
      outcome.type === "interrupted" ||
      (outcome.type === "failed" && outcome.hasVanished && signal.aborted)
    )
      return "interrupted";
    if (outcome.type === "failed") {
      const { message, isFatal } = outcome;
      return { type: "failed", message, isFatal };
    }
    const known = new Map(task.files.map(({ path, hash }) => [path, hash]));
    const files = (await createFileHashes().list(path)).filter((file) => known.get(file.path) !== file.hash);
    await createFileSender(transport, fleet)(path, files);
    remove(root);
    return { type: "finished", machine: thisMachine(), files };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { type: "failed", message: error.message, isFatal: false };
  }
}

async function readTask(id: string, { transport, fleet }: WorkerOptions): Promise<Task> {
  const what = `The task ${id}`;
  const bytes = await transport.getBlob(fleet, id, maxTaskBytes);
  return parseFields(taskSchema, parseJson(Buffer.from(bytes).toString("utf8"), what), what);
}

/** Puts files into a folder, each fetched once. */
async function fetchFiles(
  folder: string,
  files: readonly FleetFile[],
  { transport, fleet, folder: own }: WorkerOptions,
): Promise<void> {
  for (const { path, hash, bytes } of files) {
    const kept = join(own, "blobs", hash);
    if (!existsSync(kept)) {
      makeFolder(dirname(kept));
      writeWhole(kept, await transport.getBlob(fleet, hash, bytes));
    }
    const to = join(folder, path);
    makeFolder(dirname(to));
    copyFile(kept, to);
  }
}
