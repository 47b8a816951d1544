import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { captureOutput } from "./captured-output.fixture.ts";
import { goOn, listCommands, recordStops, runOnFullDisk } from "./stops.fixture.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-stops-"));
afterAll(() => rmSync(scratch, { recursive: true }));
captureOutput();

test.each(Object.entries(listCommands(scratch)))(
  "%s, stopped at every change to the disk",
  async (name, make) => {
    const command = await make();
    const { stops, changes, whole } = await recordStops(command);
    for (const stop of stops) expect(await goOn(command, stop), stop.at).toEqual(whole);
    for (let change = 0; change < changes; change += 3)
      expect(await runOnFullDisk(command, change), `change ${change}`).toEqual(whole);
    console.info(`${name}: ${changes} changes, ${stops.length} states, all with the same result`);
  },
);
