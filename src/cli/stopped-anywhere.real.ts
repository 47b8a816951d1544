import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { withKill } from "../node/files/disk.fixture.ts";
import { captureOutput } from "./captured-output.fixture.ts";
import { goOn, listCommands, recordStops, repeat, runOnFullDisk } from "./stops.fixture.ts";

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

// The built command (npm test builds it first).
test("a process that is killed at a change goes on as from the state before it", async () => {
  const command = await listCommands(mkdtempSync(join(scratch, "killed-")))["tune an adapter"]!();
  const { changes, whole } = await recordStops(command);
  for (let change = 1; change < changes; change += 10) {
    rmSync(command.root, { recursive: true });
    mkdirSync(command.root);
    const words = [...withKill(change), "bin/slimtune.js", ...command.words];
    expect(spawnSync(process.execPath, words, { stdio: "ignore" }).signal).toBe("SIGKILL");
    expect(await repeat(command), `change ${change}`).toEqual(whole);
  }
});
