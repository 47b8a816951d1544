/** @file The devices of onnxruntime-node: the CPU, and WebGPU. The only file that imports the engine. */

import { availableParallelism } from "node:os";
import * as ort from "onnxruntime-node";
import { InputError } from "../../core/errors.ts";
import { webgpuRules } from "../../core/graph/lowering/webgpu.ts";
import { exp } from "../../core/graph/operators/elementwise.ts";
import { input } from "../../core/graph/tensor.ts";
import type { Device } from "../../core/runtime/device.ts";
import { createResidentTensors } from "../../core/runtime/resident-tensors.ts";
import { compileProgram, type Session, sessionOptions } from "../../core/runtime/session.ts";

export const deviceNames = ["cpu", "webgpu"] as const;
export type DeviceName = (typeof deviceNames)[number];

export interface DeviceOptions {
  /** Threads for one operator (default: the number of cores). */
  readonly threads?: number;
  /**
   * If given, each program measures its operators, and when it is released writes a file of that prefix, in the format of
   * Chrome's traces.
   */
  readonly profilePrefix?: string;
  /** Whether what the device has no operators for is computed by those that it has, and not on the CPU. Default true. */
  readonly lowers?: boolean;
}

/**
 * Opens a device by name.
 *
 * @throws InputError if the name is unknown; and, when it compiles, if there is no such device in the machine.
 * @example
 * const device = openDevice("cpu", { threads: 2 });
 */
export function openDevice(
  name: DeviceName,
  { threads = availableParallelism(), profilePrefix, lowers = true }: DeviceOptions = {},
): Device {
  if (!deviceNames.includes(name)) {
    throw new InputError(`There is no device "${name}"; choose one of ${deviceNames.join(", ")}.`);
  }
  const options: ort.InferenceSession.SessionOptions = {
    ...sessionOptions,
    executionProviders: name === "cpu" ? ["cpu"] : [name, "cpu"],
    intraOpNumThreads: threads,
  };
  let compiled = 0;
  const profiled = (): ort.InferenceSession.SessionOptions => ({
    ...options,
    enableProfiling: true,
    profileFilePrefix: `${profilePrefix}-${compiled++}`,
  });
  const createWith = async (
    model: Uint8Array,
    given: ort.InferenceSession.SessionOptions,
  ): Promise<Session> => {
    const fail = (error: Error) => {
      throw describeFailure(error);
    };
    const session = await ort.InferenceSession.create(model, given).catch(fail);
    return {
      run: (feeds) => session.run(feeds as Record<string, ort.Tensor>).catch(fail),
      async release() {
        if (given.enableProfiling) session.endProfiling();
        await session.release();
      },
    };
  };
  const create = (model: Uint8Array) => createWith(model, profilePrefix === undefined ? options : profiled());
  if (name === "cpu") return { name, compile: (outputs) => compileProgram(outputs, create) };
  const place = createResidentTensors((model) =>
    createWith(model, { ...options, preferredOutputLocation: "gpu-buffer" }),
  );
  return {
    name,
    compile: (outputs) => compileProgram(outputs, create, { rules: lowers ? webgpuRules : {}, place }),
  };
}

/** Compiles the smallest program. @throws InputError if there is no such device in the machine. */
export async function checkDevice(device: Device): Promise<void> {
  const program = await device.compile({ y: exp(input("x", "float32", [1])) });
  await program.release();
}

function describeFailure(error: Error): Error {
  if (error.message.includes("requires f16 but the device does not support it")) {
    return new InputError(
      'The WebGPU device cannot compute with half-precision numbers, in which weights of this model are kept; choose the device "cpu", or keep the weights in float32.',
      { cause: error },
    );
  }
  const [reason] = /Failed to get a WebGPU adapter.*/.exec(error.message) ?? [];
  if (reason === undefined) return error;
  return new InputError(
    `There is no WebGPU device here (${reason}); choose the device "cpu", or install the driver of the graphics card.`,
    { cause: error },
  );
}
