/**
 * @file `npm run bench:placement`: which nodes of small models' programs ONNX Runtime's WebGPU leaves to the CPU, and what is copied to and
 * fro for them, with graphs as they are and lowered; a GPU's driver or, with Debian's chromium, a software device is needed.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Device, HostTensor } from "../src/core/runtime/device.ts";
import { type DeviceCase, deviceCases, furtherCases } from "../src/core/runtime/device-cases.fixture.ts";
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
  /** What programs are given and give, if constants travel whenever they are given. */
  readonly exchangedBytes: number;
  /** The same, if constants stay on the device. */
  readonly changingBytes: number;
}

async function measure({ run }: DeviceCase, lowers: boolean): Promise<Placement> {
  const folder = mkdtempSync(join(tmpdir(), "slimtune-placement-"));
  const device = openDevice("webgpu", { profilePrefix: join(folder, "program"), lowers });
  const exchanged = { bytes: 0, changing: 0 };
  const count = (tensors: readonly HostTensor[]) => {
    for (const { data, dtype, isConstant } of tensors) {
      exchanged.bytes += data.byteLength;
      // Those of int8 do not stay.
      if (!isConstant || dtype === "int8") exchanged.changing += data.byteLength;
    }
  };
  const metered: Device = {
    ...device,
    async compile(outputs) {
      const program = await device.compile(outputs);
      return {
        ...program,
        async run(inputs) {
          count(program.inputNames.map((name) => inputs[name]!));
          const results = await program.run(inputs);
          count(Object.values(results));
          return results;
        },
      };
    },
  };
  await run(metered, model);
  const runs = readProfiles(folder).flat();
  rmSync(folder, { recursive: true });
  const copies = runs.filter(({ operator }) => operator.startsWith("Memcpy"));
  const nodes = runs.filter(({ operator }) => !operator.startsWith("Memcpy"));
  return {
    nodes: nodes.length,
    onCpu: nodes.filter(({ provider }) => provider === "CPUExecutionProvider").length,
    copies: copies.length,
    copiedBytes: copies.reduce((sum, { outputBytes }) => sum + outputBytes, 0),
    exchangedBytes: exchanged.bytes,
    changingBytes: exchanged.changing,
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
    `${kilobytes(after.exchangedBytes)} → ${kilobytes(after.changingBytes)}`,
  ]);
}
printTable(["programs", "nodes", "on the CPU", "copies", "copied, kB", "given and taken, kB"], rows);

function kilobytes(bytes: number): string {
  return (bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0);
}
