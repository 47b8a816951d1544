/** @file A fleet as the workers of a study or an evaluation: each part is an item of a queue, whose files travel by their hash. */

import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { InputError } from "../core/errors.ts";
import { parseFields } from "../core/parse-fields.ts";
import { recordMachine } from "../studies/machine.ts";
import { type PartsFolder, readPartsConfig } from "../studies/parts-folder.ts";
import type { PartOutcome, Workers } from "../studies/run-part.ts";
import type { Part } from "../studies/study-kind.ts";
import type { Transport } from "../transport/transport.ts";
import { createFileHashes, createFileSender, writeFiles } from "./folder-files.ts";
import { type FleetFile, isInside, stateSchema, type Task, type TaskState } from "./task.ts";

/** Names of options that may name a file or folder, wherever in the options of parts they stand. */
const pathOptions = new Set([
  "model",
  "adapter",
  "data",
  "task_files",
  "data_dir",
  "neutral_text",
  "keep_text",
  "teacher",
]);

/** How often the state of a task is read. */
const pollMs = 500;

/**
 * Workers that run `slimtune worker` with the same transport and the name of the fleet. All parts that can be computed are given out
 * at once; a part whose worker vanishes is given to another.
 *
 * @param transport of a user that may make queues and spaces
 * @param options.leaseMs for how long a part is a worker's that says no more. Default: 10 seconds
 */
export function fleetWorkers(
  transport: Transport,
  fleet: string,
  { leaseMs = 10_000 }: { readonly leaseMs?: number } = {},
): Workers {
  const hashes = createFileHashes();
  const send = createFileSender(transport, fleet);
  const ready = new Map<string, Promise<FleetFile[]>>();

  /** Makes the fleet's queue and space, and sends what the folder's options name. */
  async function prepare(folder: PartsFolder): Promise<FleetFile[]> {
    if (!isInside(folder.path))
      throw new InputError(
        `The folder ${folder.path} cannot stand at the same place on other machines; give it as a path in this folder, such as --out runs/one.`,
      );
    await transport.createQueue(fleet, { leaseMs });
    await transport.createSpace(fleet);
    const inputs: FleetFile[] = [];
    for (const path of namedPaths(readPartsConfig(folder.path))) {
      const files = await hashes.list(path);
      await send(path, files);
      inputs.push(
        ...files.map((file) => ({ ...file, path: file.path === "" ? path : `${path}/${file.path}` })),
      );
    }
    return inputs;
  }

  async function giveOut(folder: PartsFolder, part: Part): Promise<string> {
    if (!ready.has(folder.path)) ready.set(folder.path, prepare(folder));
    const inputs = await ready.get(folder.path)!;
    const files = (await hashes.list(folder.path)).filter(({ path }) => concerns(part, path));
    await send(folder.path, files);
    const task: Task = { folder: folder.path, part: part.name, files, inputs, nonce: randomUUID() };
    const hash = await transport.putBlob(fleet, Buffer.from(JSON.stringify(task)));
    await transport.publish(fleet, hash, new Uint8Array());
    return hash;
  }

  return {
    count: Number.POSITIVE_INFINITY,
    async run(folder, part, onProgress, signal): Promise<PartOutcome> {
      const task = await giveOut(folder, part);
      onProgress("waiting for a worker");
      for (let seen = 0; ; await setTimeout(pollMs)) {
        if (signal.aborted) {
          await withdraw(transport, fleet, task);
          return { type: "interrupted" };
        }
        const document = await transport.readDocument(fleet, task);
        if (!document || document.revision === seen) continue;
        seen = document.revision;
        const state: TaskState = parseFields(
          stateSchema,
          document.value,
          `What a worker tells of ${part.name}`,
        );
        if (state.type === "progress") onProgress(`${state.worker}: ${state.text}`);
        else if (state.type === "failed") return state;
        else {
          await takeFiles(folder, state.files);
          recordMachine(folder, state.machine);
          return { type: "finished" };
        }
      }
    },
  };

  /** Fetches what a worker wrote, and then writes it in the order in which the part did, of which the last says that it is done. */
  async function takeFiles(folder: PartsFolder, files: readonly FleetFile[]): Promise<void> {
    const strange = files.find(({ path }) => folder.own.includes(join(folder.path, path)));
    if (strange)
      throw new InputError(
        `A worker has sent another ${strange.path}, which no part writes; look at that worker.`,
      );
    const contents = new Map<string, Uint8Array>();
    for (const { hash, bytes } of files) contents.set(hash, await transport.getBlob(fleet, hash, bytes));
    await writeFiles(folder.path, files, async ({ hash }) => contents.get(hash)!);
  }
}

/** Tells the workers that a task need not be computed any more. */
async function withdraw(transport: Transport, fleet: string, task: string): Promise<void> {
  const state: TaskState = { type: "failed", message: "It was interrupted.", isFatal: false };
  const before = await transport.readDocument(fleet, task);
  // A worker that writes at this moment computes the part in vain.
  await transport.writeDocument(fleet, task, state, before?.revision ?? 0).catch(() => {});
}

/** Whether a part may need a file of its folder: one that is independent needs no other cell's. */
function concerns({ isIndependent, cell }: Part, path: string): boolean {
  const [, owner] = /^(?:runs|evaluations|answers)\/([^/]+)\//.exec(path) ?? [];
  return !isIndependent || owner === undefined || owner === cell;
}

/** The paths that options name and that are there; others are ids on the Hub, or tasks' splits. */
function namedPaths(config: object): string[] {
  const paths = new Set<string>();
  const visit = (value: unknown, isPath: boolean) => {
    if (typeof value === "string") {
      if (isPath && existsSync(value)) paths.add(value);
    } else if (typeof value === "object" && value !== null)
      for (const [key, inner] of Object.entries(value)) visit(inner, isPath || pathOptions.has(key));
  };
  visit(config, false);
  const outside = [...paths].find((path) => !isInside(path));
  if (outside !== undefined)
    throw new InputError(
      `${outside} cannot stand at the same place on other machines; give it as a path in this folder, or as an id on the Hub.`,
    );
  return [...paths];
}
