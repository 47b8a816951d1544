/** @file Names under which files and folders are written until they are whole. */

import { type Dirent, lstatSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { createClaim, isClaim, isHeld, releaseClaim } from "./claim.ts";

const pattern = /^\.slimtune-([\da-f-]+)\./;

/** After this time without a change, in milliseconds, a temporary file of another machine counts as abandoned. */
const patience = 24 * 3600 * 1000;

/** The temporary files of this process, by path. */
const own = new Map<string, string>();

/** A name of its own beside `path`, with the same ending. The file is removed when the process ends, unless it is released before. */
export function temporaryBeside(path: string): string {
  const claim = createClaim();
  // Names have at most 255 bytes.
  const ending = basename(path)
    .replace(/[^\w.-]/g, "_")
    .slice(-100);
  const temporary = join(dirname(path), `.slimtune-${claim}.${ending}`);
  if (own.size === 0) listen();
  own.set(temporary, claim);
  return temporary;
}

/** Removes what is left of a temporary file. */
export function discardTemporary(temporary: string): void {
  rmSync(temporary, { recursive: true, force: true });
  const claim = own.get(temporary);
  if (claim === undefined) return;
  releaseClaim(claim);
  own.delete(temporary);
  if (own.size === 0) unlisten();
}

export function isTemporary(name: string): boolean {
  return isClaim(pattern.exec(name)?.[1] ?? "");
}

/** Removes the temporary files in a folder whose processes have ended. */
export function sweepTemporaries(folder: string, options: { readonly recursive?: boolean } = {}): void {
  for (const entry of list(folder)) {
    const path = join(folder, entry.name);
    if (isTemporary(entry.name)) {
      if (isAbandoned(path)) rmSync(path, { recursive: true, force: true });
    } else if (options.recursive && entry.isDirectory()) sweepTemporaries(path, options);
  }
}

function list(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function isAbandoned(path: string): boolean {
  const [, claim] = pattern.exec(basename(path))!;
  const changed = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return !(isHeld(claim!) ?? Date.now() - changed < patience);
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function listen(): void {
  process.on("exit", discardAll);
  for (const signal of signals) process.on(signal, onSignal);
}

function unlisten(): void {
  process.off("exit", discardAll);
  for (const signal of signals) process.off(signal, onSignal);
}

function discardAll(): void {
  for (const temporary of [...own.keys()]) discardTemporary(temporary);
}

function onSignal(signal: NodeJS.Signals): void {
  // Whoever else listens decides what becomes of the process.
  if (process.listenerCount(signal) > 1) return;
  discardAll();
  process.kill(process.pid, signal);
}
