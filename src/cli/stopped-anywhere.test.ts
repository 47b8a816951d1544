import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { captureOutput } from "./captured-output.fixture.ts";
import { goOn, listCommands, recordStops, runOnFullDisk } from "./stops.fixture.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-stops-"));
afterAll(() => rmSync(scratch, { recursive: true }));
captureOutput();

/** Of each command so many stops are tried, of a study, which takes longest, half; stopped-anywhere.real.ts tries all. */
const usuallyTried = 4;

test.each(Object.entries(listCommands(scratch)))(
  "%s, stopped at some changes to the disk",
  { timeout: 300_000 },
  async (name, make) => {
    const command = await make();
    const { stops, changes, whole } = await recordStops(command);
    const tried = name === "study" ? usuallyTried / 2 : usuallyTried;
    for (let i = 0; i < tried; i++) {
      const stop = stops[Math.floor(((i + 0.5) * stops.length) / tried)]!;
      expect(await goOn(command, stop), stop.at).toEqual(whole);
    }
    expect(await runOnFullDisk(command, Math.floor(changes / 2))).toEqual(whole);
  },
);
