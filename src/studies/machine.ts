/** @file On which machines a study was computed, since costs of different ones cannot be compared. */

import { existsSync } from "node:fs";
import { cpus, platform, release, totalmem } from "node:os";
import process from "node:process";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { readJson } from "../node/files/structured.ts";
import { writeWhole } from "../node/files/write.ts";
import type { PartsFolder } from "./parts-folder.ts";
import { type Machine, machineSchema } from "./study-results.ts";

const machinesSchema = z.tuple([machineSchema], machineSchema);

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    system: `${platform()} ${release()}`,
    node: process.version,
  };
}

/** Keeps what machine computes parts, unless it is like one that did before. */
export function recordMachine(
  { machines: path }: Pick<PartsFolder, "machines">,
  machine = thisMachine(),
): void {
  const known = existsSync(path) ? readJson(path, machinesSchema) : [];
  if (known.some((one) => isDeepStrictEqual(one, machine))) return;
  writeWhole(path, `${JSON.stringify([...known, machine], undefined, 1)}\n`);
}

/** The machine on which the study was begun, and those on which it went on. */
export function readMachines({ machines }: Pick<PartsFolder, "machines">): [Machine, ...Machine[]] {
  return readJson(machines, machinesSchema);
}

/** What is to be said of further machines. */
export function describeMachines(others: readonly Machine[]): string[] {
  return others.map(
    ({ cpu, cores, node }) =>
      `Parts were computed on another machine (${cpu}, ${cores} cores, Node.js ${node}); costs of the two cannot be compared.`,
  );
}
