/** @file For tests and measurements: a device that counts what programs are given from JavaScript's memory, and what goes there. */

import { type AnyTensor, type Device, type DeviceTensor, isOnDevice, type Program } from "./device.ts";
import { createDeviceOperations } from "./device-operations.ts";

export interface Traffic {
  /** Bytes; of constants those that the device does not keep. */
  to: number;
  from: number;
  /** Bytes that would go to the device if it kept nothing. */
  given: number;
  /** Bytes that would come from it. */
  made: number;
  /** Bytes that programs have left on the device and nobody has freed yet. */
  held: number;
}

export function meter(device: Device): { readonly device: Device; readonly traffic: Traffic } {
  const traffic: Traffic = { to: 0, from: 0, given: 0, made: 0, held: 0 };
  const count = (tensor: AnyTensor) => {
    if (!isOnDevice(tensor)) return tensor.data.byteLength;
    // Those that stay are of float32.
    return tensor.dims.reduce((size, dim) => size * dim, Float32Array.BYTES_PER_ELEMENT);
  };
  const metered = <R extends AnyTensor>(program: Program<R>): Program<R> => ({
    ...program,
    async run(inputs) {
      for (const name of program.inputNames) {
        const tensor = inputs[name]!;
        traffic.given += count(tensor);
        if (isOnDevice(tensor)) continue;
        // Those of int8 do not stay.
        if (!tensor.isConstant || tensor.dtype === "int8") traffic.to += count(tensor);
      }
      const results = await program.run(inputs);
      for (const tensor of Object.values<AnyTensor>(results)) {
        traffic.made += count(tensor);
        if (isOnDevice(tensor)) observe(tensor);
        else traffic.from += count(tensor);
      }
      return results;
    },
  });
  const observe = (tensor: DeviceTensor) => {
    const { read, dispose } = tensor;
    traffic.held += count(tensor);
    Object.assign(tensor, {
      read() {
        traffic.from += count(tensor);
        return read();
      },
      dispose() {
        traffic.held -= count(tensor);
        dispose();
      },
    });
  };
  const { compileKeeping } = device;
  const meteredKeeping: typeof compileKeeping =
    compileKeeping && (async (outputs, keeps) => metered(await compileKeeping(outputs, keeps)));
  return {
    traffic,
    device: {
      ...device,
      compile: async (outputs) => metered(await device.compile(outputs)),
      ...(meteredKeeping && {
        compileKeeping: meteredKeeping,
        operations: createDeviceOperations(meteredKeeping),
      }),
    },
  };
}
