/** @file A device on which a computation of several programs can be stopped between two of them. */

import type { AnyTensor, Device, Program } from "./device.ts";

/**
 * The same device, whose programs are neither compiled nor run once the signal is aborted: they throw its reason.
 *
 * @example
 * const { openDevice } = await import("slimtune");
 * const device = makeInterruptible(openDevice("cpu"), AbortSignal.timeout(60_000));
 */
export function makeInterruptible(device: Device, signal: AbortSignal): Device {
  const interrupt = <R extends AnyTensor, Given extends unknown[]>(
    compile: (...given: Given) => Promise<Program<R>>,
  ) => {
    return async (...given: Given): Promise<Program<R>> => {
      signal.throwIfAborted();
      const program = await compile(...given);
      return {
        ...program,
        async run(inputs) {
          signal.throwIfAborted();
          return program.run(inputs);
        },
      };
    };
  };
  const { compileKeeping } = device;
  return {
    ...device,
    compile: interrupt((outputs) => device.compile(outputs)),
    ...(compileKeeping && { compileKeeping: interrupt(compileKeeping) }),
  };
}
