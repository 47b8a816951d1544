/**
 * @file `npm run bench:placement`: which nodes of small models' programs ONNX Runtime's WebGPU leaves to the CPU, and what is copied to and
 * fro for them, with graphs as they are and lowered; a GPU's driver or, with Debian's chromium, a software device is needed.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DeviceCase, deviceCases, furtherCases } from "../src/core/runtime/device-cases.fixture.ts";
import { meter, type Traffic } from "../src/core/runtime/metered-device.fixture.ts";
import "../src/core/runtime/software-vulkan.fixture.ts";
import { openDevice } from "../src/node/runtime/onnx-runtime.ts";
import { readProfiles } from "../src/node/runtime/profile.ts";
import { printTable } from "./measuring.ts";

const model = "fixtures/reference/models/llama";

interface Placement {
  /** Copies left out. */
  readonly nodes: number;
  readonly onCpu: number;
  readonly copies: number;
  readonly copiedBytes: number;
  readonly traffic: Traffic;
}

async function measure({ run }: DeviceCase, lowers: boolean): Promise<Placement> {
  const folder = mkdtempSync(join(tmpdir(), "slimtune-placement-"));
  const device = openDevice("webgpu", { profilePrefix: join(folder, "program"), lowers });
  const metered = meter(device);
  await run(metered.device, model);
  const runs = readProfiles(folder).flat();
  rmSync(folder, { recursive: true });
  const copies = runs.filter(({ operator }) => operator.startsWith("Memcpy"));
  const nodes = runs.filter(({ operator }) => !operator.startsWith("Memcpy"));
  return {
    nodes: nodes.length,
    onCpu: nodes.filter(({ provider }) => provider === "CPUExecutionProvider").length,
    copies: copies.length,
    copiedBytes: copies.reduce((sum, { outputBytes }) => sum + outputBytes, 0),
    traffic: metered.traffic,
  };
}

const rows: string[][] = [];
for (const each of [...deviceCases, ...furtherCases]) {
  const before = await measure(each, false);
  const after = await measure(each, true);
  const both = (value: (placement: Placement) => string | number) => `${value(before)} → ${value(after)}`;
  rows.push([
    each.name,
    both(({ nodes }) => nodes),
    both(({ onCpu }) => onCpu),
    both(({ copies }) => copies),
    both(({ copiedBytes }) => kilobytes(copiedBytes)),
    `${kilobytes(after.traffic.given)} → ${kilobytes(after.traffic.to)}`,
    `${kilobytes(after.traffic.made)} → ${kilobytes(after.traffic.from)}`,
  ]);
}
printTable(["programs", "nodes", "on the CPU", "copies", "copied, kB", "given, kB", "taken, kB"], rows);

function kilobytes(bytes: number): string {
  return (bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0);
}
