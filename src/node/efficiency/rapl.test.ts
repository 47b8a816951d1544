import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openRapl } from "./rapl.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-rapl-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A folder like the kernel's, of zones by their folders' names. */
function powercap(name: string, zones: Readonly<Record<string, readonly [name: string, energy: number]>>) {
  const folder = join(scratch, name);
  for (const [zone, [kind, energy]] of Object.entries(zones)) {
    mkdirSync(join(folder, zone), { recursive: true });
    writeFileSync(join(folder, zone, "name"), `${kind}\n`);
    writeFileSync(join(folder, zone, "max_energy_range_uj"), "1000000000\n");
    writeFileSync(join(folder, zone, "energy_uj"), `${energy}\n`);
  }
  const set = (zone: string, energy: number) => writeFileSync(join(folder, zone, "energy_uj"), `${energy}\n`);
  return { folder, set };
}

test("the joules of all packages, without their zones and without zones that count them", () => {
  const { folder, set } = powercap("server", {
    "intel-rapl": ["intel-rapl", 0],
    "intel-rapl:0": ["package-0", 5_000_000],
    "intel-rapl:0:0": ["core", 1_000_000],
    "intel-rapl:0:1": ["dram", 1_000_000],
    "intel-rapl:1": ["package-1", 900_000_000],
    "intel-rapl:2": ["psys", 7_000_000],
    "intel-rapl-mmio:0": ["package-0", 5_000_000],
  });
  const joules = openRapl(folder);
  expect(joules()).toBe(0);
  for (const zone of ["intel-rapl:0:0", "intel-rapl:0:1", "intel-rapl:2", "intel-rapl-mmio:0"])
    set(zone, 800_000_000);
  expect(joules()).toBe(0);
  set("intel-rapl:0", 7_500_000);
  set("intel-rapl:1", 901_000_000);
  expect(joules()).toBe(3.5);
});

test("a counter that starts again from 0 goes on, each time", () => {
  const { folder, set } = powercap("overflow", { "intel-rapl:0": ["package-0", 990_000_000] });
  const joules = openRapl(folder);
  set("intel-rapl:0", 5_000_000);
  expect(joules()).toBe(15);
  set("intel-rapl:0", 999_000_000);
  expect(joules()).toBe(1009);
  set("intel-rapl:0", 1_000_000);
  expect(joules()).toBe(1011);
});

test("what cannot be read is not taken for 0", () => {
  expect(openRapl(join(scratch, "nowhere"))()).toBeNull();
  expect(openRapl(powercap("empty", { "intel-rapl:0": ["psys", 1] }).folder)()).toBeNull();

  // A counter that may not be read fails as a folder does, whoever runs the test.
  const { folder } = powercap("forbidden", {
    "intel-rapl:0": ["package-0", 1],
    "intel-rapl:1": ["package-1", 1],
  });
  const counter = join(folder, "intel-rapl:1", "energy_uj");
  rmSync(counter);
  mkdirSync(counter);
  expect(openRapl(folder)()).toBeNull();
});
