/** @file Which devices are there, what they do, and whether they compute what the CPU computes. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type DeviceName, deviceNames } from "../runtime/onnx-runtime.ts";
import { type CheckedMethod, checkedMethods, type DeviceCheck } from "./device-check.ts";

export type CheckMessage =
  | { readonly type: "stage"; readonly stage: string }
  | { readonly type: "checked"; readonly check: DeviceCheck }
  | { readonly type: "absent" | "failed"; readonly message: string };

/** Greatest distance from the CPU's losses or tensors, as a share of these, that is rounding. */
export const tolerance = 1e-3;

export type CheckedDevice =
  | { readonly name: DeviceName; readonly state: "absent" | "failed"; readonly reason: string }
  | {
      readonly name: DeviceName;
      /** Whether it computes what the CPU computes. */
      readonly state: "right" | "wrong";
      readonly check: DeviceCheck;
      /** From the CPU's losses of each method, and its tensors after steps of AdamW, as a share of these. */
      readonly distances: Readonly<Record<CheckedMethod | "AdamW", number>>;
      /** Whether the likeliest text is the CPU's. */
      readonly writesAlike: boolean;
    };

export interface DevicesOptions {
  /** Told of what begins, in words. */
  readonly onStage?: (name: DeviceName, stage: string) => void;
  /** Seconds after which the check of a device has failed. Default 300. */
  readonly limitSeconds?: number;
}

/**
 * Checks each kind of device in a process of its own, the CPU first.
 *
 * @throws Error if the CPU's check fails, since there is nothing to compare with.
 *
 * @example
 * for (const device of await checkDevices()) console.log(device.name, device.state);
 */
export async function checkDevices({
  onStage = () => {},
  limitSeconds = 300,
}: DevicesOptions = {}): Promise<CheckedDevice[]> {
  const outcomes = new Map<DeviceName, Exclude<CheckMessage, { type: "stage" }>>();
  for (const name of deviceNames) {
    outcomes.set(name, await checkInProcess(name, (stage) => onStage(name, stage), limitSeconds));
  }
  const expected = outcomes.get("cpu")!;
  if (expected.type !== "checked") throw new Error(`The check of the CPU failed: ${expected.message}`);
  return [...outcomes].map(([name, outcome]) =>
    outcome.type === "checked"
      ? compareChecks(name, outcome.check, expected.check)
      : { name, state: outcome.type, reason: outcome.message },
  );
}

/** A device's results beside the CPU's. */
export function compareChecks(name: DeviceName, check: DeviceCheck, expected: DeviceCheck): CheckedDevice {
  const methods = Object.keys(checkedMethods) as CheckedMethod[];
  const distanceOf = (method: CheckedMethod) =>
    distance(check.steps[method].losses, expected.steps[method].losses);
  const distances = {
    ...(Object.fromEntries(methods.map((method) => [method, distanceOf(method)])) as Record<
      CheckedMethod,
      number
    >),
    AdamW: distance(check.adamW, expected.adamW),
  };
  const isRight = Object.values(distances).every((distance) => distance <= tolerance);
  return {
    name,
    state: isRight ? "right" : "wrong",
    check,
    distances,
    writesAlike: check.writing.text === expected.writing.text,
  };
}

/** How far values are from others, as a share of these. */
function distance(values: readonly number[], others: readonly number[]): number {
  const share = Math.hypot(...others.map((other, i) => values[i]! - other)) / Math.hypot(...others);
  return Number.isNaN(share) ? Number.POSITIVE_INFINITY : share;
}

async function checkInProcess(name: DeviceName, onStage: (stage: string) => void, limitSeconds: number) {
  const program = fileURLToPath(new URL("./check-process.js", import.meta.url));
  // What drivers print is not for the command's output.
  const child = fork(program, [name], { stdio: ["ignore", "ignore", "ignore", "ipc"] });
  let during = "its start";
  let outcome: Exclude<CheckMessage, { type: "stage" }> | undefined;
  child.on("message", (message: CheckMessage) => {
    if (message.type !== "stage") {
      outcome = message;
      return;
    }
    during = message.stage;
    onStage(during);
  });
  const ended = once(child, "exit");
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, limitSeconds * 1000);
  // The last message may arrive after the exit, but not after the end of the channel.
  await once(child, "disconnect");
  const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  const how = late
    ? `after ${limitSeconds} seconds without an end`
    : signal
      ? `by ${signal}`
      : `with exit code ${code}`;
  return outcome ?? { type: "failed" as const, message: `Its process was ended ${how}, during ${during}.` };
}
