/** @file `slimtune devices`: what is there to compute on, how fast it is, and whether it computes what the CPU computes. */

import { freemem, totalmem } from "node:os";
import process from "node:process";
import type { Command } from "commander";
import { type CheckedDevice, checkDevices } from "../node/devices/checked-devices.ts";
import type { CheckedMethod } from "../node/devices/device-check.ts";
import { describeProcessor } from "../node/devices/processor.ts";
import { formatBytes, print, withStatusLine } from "./output.ts";

export function addDevicesCommand(program: Command): void {
  program
    .command("devices")
    .description(
      "Try out what there is to compute on, in a minute: small steps and a text on the CPU and on WebGPU, their speeds, and whether both compute the same. The exit code is 1 if they do not.",
    )
    .option("--json", "print one JSON object instead of text")
    .addHelpText("after", "\nExample:\n  slimtune devices\n  slimtune tune … --device webgpu")
    .action(async ({ json }: { json?: boolean }) => {
      const devices = await withStatusLine(
        () => "nothing was kept",
        (status) => checkDevices({ onStage: (name, stage) => status.update(`${name}: ${stage}`) }),
      );
      const machine = {
        processor: describeProcessor(),
        memoryBytes: totalmem(),
        freeMemoryBytes: freemem(),
      };
      print(json ? `${JSON.stringify({ machine, devices })}\n` : `${render(machine, devices)}\n`);
      if (devices.some(({ state }) => state === "wrong" || state === "failed")) process.exitCode = 1;
    });
}

function render(
  machine: { processor: string; memoryBytes: number; freeMemoryBytes: number },
  devices: readonly CheckedDevice[],
): string {
  const memory = `${formatBytes(machine.memoryBytes)} of memory, ${formatBytes(machine.freeMemoryBytes)} of it free`;
  return [
    `${machine.processor}; ${memory}`,
    ...devices.map(renderDevice),
    "Steps and texts are those of the embedded model, which is so small that a graphics card shows little of what it can do.",
  ].join("\n\n");
}

function renderDevice(device: CheckedDevice): string {
  const { name, state } = device;
  if ("reason" in device) return `${name}: ${state === "absent" ? "none" : "FAILED"}. ${device.reason}`;
  const { check, distances, writesAlike } = device;
  const besideCpu = (text: string) => (name === "cpu" ? "" : `, ${text}`);
  const methods = Object.keys(check.steps) as CheckedMethod[];
  const rows = [
    ["matrix products", `${(check.productRate / 1e9).toFixed(0)} GFLOP/s in float32`],
    ...methods.map((method) => [
      method,
      `${check.steps[method].tokensPerSecond.toFixed(0)} tokens/s${besideCpu(`losses ${distances[method].toExponential(0)} from the CPU's`)}`,
    ]),
    ...(name === "cpu" ? [] : [["AdamW", `tensors ${distances.AdamW.toExponential(0)} from the CPU's`]]),
    [
      "writing",
      `${check.writing.tokensPerSecond.toFixed(0)} tokens/s${besideCpu(writesAlike ? "the CPU's text" : "another text than the CPU's")}`,
    ],
  ] as [what: string, speed: string][];
  const widest = Math.max(...rows.map(([what]) => what.length));
  const verdict =
    state === "right"
      ? "computes what the CPU computes"
      : "computes WRONGLY; use the CPU, and update the driver of the graphics card";
  return [
    name === "cpu" ? name : `${name}: ${verdict}`,
    ...rows.map(([what, speed]) => `  ${what.padEnd(widest)}  ${speed}`),
  ].join("\n");
}
