/** @file The energy counters of Linux's power capping interface: Running Average Power Limit (RAPL). */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Opens the energy counters of the processor's packages.
 *
 * A package's own zones (cores, graphics, memory) are left out, since it counts them itself or they lie outside the
 * processor, and so are zones of the platform, which count the packages.
 *
 * Source: https://docs.kernel.org/power/powercap/powercap.html
 *
 * @param folder where the kernel shows them
 * @returns reads the joules that the packages took since the opening; null where a counter cannot be read, as on other
 *   systems, in most virtual machines, and without the permission, which by default only root has
 */
export function openRapl(folder = "/sys/class/powercap"): () => number | null {
  const packages = listPackages(folder).map(openPackage);
  if (packages.length === 0) return () => null;
  return () => {
    const joules = packages.map((read) => read());
    return joules.every((value) => value !== null) ? joules.reduce((sum, value) => sum + value, 0) : null;
  };
}

/** Folders of the packages' zones, such as intel-rapl:0 (AMD's have the same name). */
function listPackages(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^intel-rapl:\d+$/.test(name))
    .map((name) => join(folder, name))
    .filter((zone) => readText(join(zone, "name"))?.startsWith("package"));
}

/** Reads one package's joules since the opening, across the counter's overflows. */
function openPackage(zone: string): () => number | null {
  const read = (name: string): number | undefined => {
    const text = readText(join(zone, name));
    return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
  };
  const range = read("max_energy_range_uj");
  let last = read("energy_uj");
  let microjoules = 0;
  return () => {
    const now = read("energy_uj");
    if (now === undefined || last === undefined || range === undefined) return null;
    microjoules += now >= last ? now - last : now - last + range;
    last = now;
    return microjoules / 1e6;
  };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
