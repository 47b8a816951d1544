/** @file Claims: words that say which process made a lock or a temporary file, so that others can tell whether it still lives. */

import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";

const pattern = /^([0-9a-f]{8})-([0-9a-f]{8})-(\d+)-(\d+)-([0-9a-f]{8})-\d+$/;

/** The machine and, since process numbers of different containers say nothing to each other, their namespace. */
const machine = hash(hostname(), attempt(() => readlinkSync("/proc/self/ns/pid")) ?? "");
const boot = hash(attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8")) ?? "");
const start = startOf(process.pid) ?? "0";
/** Threads of one process have claims of their own. */
const instance = randomBytes(4).toString("hex");
const held = new Set<string>();
let claims = 0;

/** A new claim of this process, which it holds until {@link releaseClaim}. */
export function createClaim(): string {
  const claim = [machine, boot, process.pid, start, instance, claims++].join("-");
  held.add(claim);
  return claim;
}

export function releaseClaim(claim: string): void {
  held.delete(claim);
}

/** Whether a text is a claim, of whichever process. */
export function isClaim(text: string): boolean {
  return pattern.test(text);
}

/** The number of a claim's process. */
export function processOf(claim: string): number | undefined {
  const [, , , id] = pattern.exec(claim) ?? [];
  return id === undefined ? undefined : Number(id);
}

/** Whether a claim is still held; undefined if it is of another machine or container, of which nothing is known. */
export function isHeld(claim: string): boolean | undefined {
  const [, on, since, id, startedAt, by] = pattern.exec(claim) ?? [];
  if (on === undefined) return false;
  if (on !== machine) return undefined;
  if (since !== boot) return false;
  if (by === instance) return held.has(claim);
  // The numbers of processes that have ended are given to others.
  return isRunning(Number(id)) && (startOf(Number(id)) ?? startedAt) === startedAt;
}

export function isRunning(processId: number): boolean {
  if (!Number.isSafeInteger(processId) || processId <= 0) return false;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** When a process was started, in clock ticks since the machine's start; undefined where the system does not say (Linux does). */
function startOf(processId: number): string | undefined {
  const stat = attempt(() => readFileSync(`/proc/${processId}/stat`, "utf8"));
  // Field 22; the second one, a name in parentheses, may hold spaces.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function hash(...parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\0")).digest("hex").slice(0, 8);
}
