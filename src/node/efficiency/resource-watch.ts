/** @file Watching what the process uses while something runs, in sums with which a later process can go on. */

import { availableParallelism } from "node:os";
import { z } from "zod";
import { openRapl } from "./rapl.ts";

export const resourceUsageSchema = z.strictObject({
  /** Wall time that was watched. */
  seconds: z.number().min(0),
  /** Integral of the resident memory over that time. */
  memory_byte_seconds: z.number().min(0),
  peak_memory_bytes: z.number().min(0),
  /** CPU time of all threads. */
  cpu_seconds: z.number().min(0),
  /** CPU time that there was: the cores' number times the wall time. */
  core_seconds: z.number().min(0),
  /** Of the processor; null if it could not be read all the time. */
  energy_joules: z.number().min(0).nullable(),
});

/** What was used, in sums over the time that was watched. */
export type ResourceUsage = z.infer<typeof resourceUsageSchema>;

export const noUsage: ResourceUsage = {
  seconds: 0,
  memory_byte_seconds: 0,
  peak_memory_bytes: 0,
  cpu_seconds: 0,
  core_seconds: 0,
  energy_joules: 0,
};

/** The state of the process at one moment. Times and energy count from some moment before. */
export interface Reading {
  readonly seconds: number;
  readonly memoryBytes: number;
  /** The most that the process has had so far. */
  readonly highestMemoryBytes: number;
  readonly cpuSeconds: number;
  readonly cores: number;
  /** Null if it cannot be read. */
  readonly energyJoules: number | null;
}

export interface ResourceWatch {
  /** What was used until now, together with what was used before. */
  usage(): ResourceUsage;
  stop(): void;
}

/**
 * Watches the process from now on. It is looked at once a second and at each call of `usage`; where the event loop is
 * busy for longer, memory is taken to have changed evenly meanwhile.
 *
 * @param before sums with which to go on
 * @param read what is looked at
 */
export function watchResources(
  before: ResourceUsage = noUsage,
  read: () => Reading = readProcess(),
): ResourceWatch {
  let usage = before;
  let last = read();
  const sample = () => {
    const now = read();
    usage = addInterval(usage, last, now);
    last = now;
  };
  const timer = setInterval(sample, 1000).unref();
  return {
    usage() {
      sample();
      return usage;
    },
    stop: () => clearInterval(timer),
  };
}

function addInterval(usage: ResourceUsage, from: Reading, to: Reading): ResourceUsage {
  const seconds = to.seconds - from.seconds;
  // The process's highest memory tells of a peak between two readings, but only if it was never higher before.
  const peak = to.highestMemoryBytes > from.highestMemoryBytes ? to.highestMemoryBytes : 0;
  const energy =
    usage.energy_joules === null || from.energyJoules === null || to.energyJoules === null
      ? null
      : usage.energy_joules + (to.energyJoules - from.energyJoules);
  return {
    seconds: usage.seconds + seconds,
    memory_byte_seconds: usage.memory_byte_seconds + ((from.memoryBytes + to.memoryBytes) / 2) * seconds,
    peak_memory_bytes: Math.max(usage.peak_memory_bytes, from.memoryBytes, to.memoryBytes, peak),
    cpu_seconds: usage.cpu_seconds + (to.cpuSeconds - from.cpuSeconds),
    core_seconds: usage.core_seconds + to.cores * seconds,
    energy_joules: energy,
  };
}

/** This process: its resident memory and CPU time, and the energy of the processor that it runs on. */
function readProcess(): () => Reading {
  const readEnergy = openRapl();
  const cores = availableParallelism();
  return () => {
    const { user, system } = process.cpuUsage();
    return {
      seconds: performance.now() / 1000,
      memoryBytes: process.memoryUsage.rss(),
      highestMemoryBytes: process.resourceUsage().maxRSS * 1024,
      cpuSeconds: (user + system) / 1e6,
      cores,
      energyJoules: readEnergy(),
    };
  };
}
