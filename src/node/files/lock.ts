/** @file Locks: one process at a time writes into a folder. */

import { createHash } from "node:crypto";
import { constants, copyFileSync, linkSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { InputError } from "../../core/errors.ts";
import { createClaim, isClaim, isHeld, isRunning, processOf, releaseClaim } from "./claim.ts";
import { checkEntries, isLock, lockName } from "./folder.ts";
import { readWhole } from "./read.ts";
import { discardTemporary, sweepTemporaries, temporaryBeside } from "./temporary.ts";
import { makeFolder, writeWhole } from "./write.ts";

/**
 * Does something while no other process writes into a folder, which is made unless it is there. Temporary files in it of
 * processes that have ended are removed.
 *
 * @param what the folder is of, such as "run"
 * @throws InputError if another process holds it.
 */
export async function withLock<T>(folder: string, what: string, act: () => Promise<T>): Promise<T> {
  makeFolder(folder);
  checkEntries(folder);
  const path = join(folder, lockName);
  const claim = takeLock(path, (holder) => describeHolder(holder, folder, what));
  try {
    for (const name of readdirSync(folder)) {
      if (isLock(name) && name !== lockName) rmSync(join(folder, name), { force: true });
    }
    freeNested(folder);
    sweepTemporaries(folder, { recursive: true });
    return await act();
  } finally {
    giveLock(path, claim);
  }
}

/** Whether a process writes into a folder; of one on another machine it is not known that it has ended. */
export function isLocked(folder: string): boolean {
  const holder = readHolder(join(folder, lockName));
  return holder !== undefined && isActive(holder);
}

class Taken extends InputError {}

/**
 * Does something short while no other process, and nothing else in this one, does so under the lock of a folder that is there;
 * waits for its turn.
 */
export async function inTurn<T>(folder: string, act: () => T): Promise<T> {
  const path = join(folder, lockName);
  for (;;) {
    let claim: string;
    try {
      claim = takeLock(path, () => new Taken());
    } catch (error) {
      if (!(error instanceof Taken)) throw error;
      await setTimeout(2 + 8 * Math.random());
      continue;
    }
    try {
      return act();
    } finally {
      giveLock(path, claim);
    }
  }
}

/** Removes the locks of processes that have ended from the folders in a folder. */
function freeNested(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const nested = join(folder, entry.name);
    const path = join(nested, lockName);
    const holder = readHolder(path);
    if (holder !== undefined && !isActive(holder))
      giveLock(
        path,
        takeLock(path, (other) => describeHolder(other, nested, "content")),
      );
    freeNested(nested);
  }
}

/** Makes the lock, with its claim in it, in one step; one that a process left which has ended is replaced. */
function takeLock(path: string, refusal: (holder: string) => InputError): string {
  const claim = createClaim();
  const own = temporaryBeside(path);
  try {
    writeWhole(own, claim);
    for (;;) {
      if (linkNew(own, path)) return claim;
      const holder = readHolder(path);
      // It was given free at this moment.
      if (holder === undefined) continue;
      if (isActive(holder)) throw refusal(holder);
      // Only one process at a time may replace this very lock, and it is not there again once it was replaced.
      const right = `${path}.${createHash("sha256").update(holder).digest("hex").slice(0, 16)}`;
      const rightClaim = takeLock(right, refusal);
      try {
        if (readHolder(path) === holder) {
          renameSync(own, path);
          return claim;
        }
      } finally {
        giveLock(right, rightClaim);
      }
    }
  } catch (error) {
    releaseClaim(claim);
    throw error;
  } finally {
    discardTemporary(own);
  }
}

function giveLock(path: string, claim: string): void {
  releaseClaim(claim);
  rmSync(path, { force: true });
}

/** Gives a file a second name. @returns whether there was none of this name */
function linkNew(file: string, path: string): boolean {
  try {
    try {
      linkSync(file, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      // Some file systems have no second names. There, a lock can be seen without its claim for a moment.
      copyFileSync(file, path, constants.COPYFILE_EXCL);
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function readHolder(path: string): string | undefined {
  return readWhole(path, { isOptional: true })?.toString("utf8").trim();
}

/** Former versions wrote only the number of their process. */
function isActive(holder: string): boolean {
  return isClaim(holder) ? isHeld(holder) !== false : isRunning(Number(holder));
}

function describeHolder(holder: string, folder: string, what: string): InputError {
  return new InputError(
    isClaim(holder) && isHeld(holder) === undefined
      ? `The ${what} in ${folder} was begun on another machine or in another container; wait for it there or, if it has ended, remove ${join(folder, lockName)}.`
      : `The ${what} in ${folder} is being computed by process ${processOf(holder) ?? holder}; wait for it or stop it.`,
  );
}
