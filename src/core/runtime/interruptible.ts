/** @file A device on which a computation of several programs can be stopped between two of them. */

import type { Device } from "./device.ts";

/**
 * The same device, whose programs are neither compiled nor run once the signal is aborted: they throw its reason.
 *
 * @example
 * const { openDevice } = await import("slimtune");
 * const device = makeInterruptible(openDevice("cpu"), AbortSignal.timeout(60_000));
 */
export function makeInterruptible(device: Device, signal: AbortSignal): Device {
  return {
    ...device,
    async compile(outputs) {
      signal.throwIfAborted();
      const program = await device.compile(outputs);
      return {
        ...program,
        async run(inputs) {
          signal.throwIfAborted();
          return program.run(inputs);
        },
      };
    },
  };
}
