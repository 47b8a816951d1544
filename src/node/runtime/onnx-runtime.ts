/** @file The devices of onnxruntime-node: the CPU, and WebGPU. The only file that imports the engine. */

import { availableParallelism } from "node:os";
import * as ort from "onnxruntime-node";
import { InputError } from "../../core/errors.ts";
import { encodeOnnx } from "../../core/graph/onnx.ts";
import { exp } from "../../core/graph/operators/elementwise.ts";
import { type DType, input, type Tensor, type TensorData } from "../../core/graph/tensor.ts";
import type { Device, HostTensor, Program } from "../../core/runtime/device.ts";

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
  { threads = availableParallelism(), profilePrefix }: DeviceOptions = {},
): Device {
  if (!deviceNames.includes(name)) {
    throw new InputError(`There is no device "${name}"; choose one of ${deviceNames.join(", ")}.`);
  }
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: name === "cpu" ? ["cpu"] : [name, "cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    // Patterns are kept per shape and grow with every new sequence length.
    enableMemPattern: false,
    // The graphs are built in the form in which they shall run; see docs/decisions/graph-optimization.md.
    graphOptimizationLevel: "disabled",
    extra: {
      session: {
        // The softmax of masked scores leaves denormals, which slow down all that is computed with them.
        set_denormal_as_zero: "1",
        // Each program has threads of its own, which otherwise wait actively while the next program runs.
        force_spinning_stop: "1",
      },
    },
    logSeverityLevel: 3,
  };
  let compiled = 0;
  return {
    name,
    async compile(outputs) {
      const { model, inputs } = encodeOnnx(outputs);
      const session = await ort.InferenceSession.create(
        model,
        profilePrefix === undefined
          ? options
          : { ...options, enableProfiling: true, profileFilePrefix: `${profilePrefix}-${compiled++}` },
      ).catch((error) => {
        throw describeFailure(error);
      });
      return createProgram(session, inputs, outputs, profilePrefix !== undefined);
    },
  };
}

/** Compiles the smallest program. @throws InputError if there is no such device in the machine. */
export async function checkDevice(device: Device): Promise<void> {
  const program = await device.compile({ y: exp(input("x", "float32", [1])) });
  await program.release();
}

function describeFailure(error: Error): Error {
  const [reason] = /Failed to get a WebGPU adapter.*/.exec(error.message) ?? [];
  if (reason === undefined) return error;
  return new InputError(
    `There is no WebGPU device here (${reason}); choose the device "cpu", or install the driver of the graphics card.`,
    { cause: error },
  );
}

function createProgram(
  session: ort.InferenceSession,
  inputNames: readonly string[],
  outputs: Readonly<Record<string, Tensor>>,
  measured: boolean,
): Program {
  return {
    inputNames,
    async run(inputs) {
      const feeds: Record<string, ort.Tensor> = {};
      for (const name of inputNames) {
        const tensor = inputs[name];
        if (!tensor) throw new Error(`The program's input "${name}" is missing.`);
        feeds[name] = toEngine(tensor);
      }
      const fetched = await session.run(feeds);
      const results: Record<string, HostTensor> = {};
      for (const name of Object.keys(outputs)) {
        results[name] = fromEngine(fetched[name]!);
      }
      return results;
    },
    async release() {
      if (measured) session.endProfiling();
      await session.release();
    },
  };
}

/**
 * Half-precision numbers are Uint16Arrays here. Where JavaScript has Float16Arrays the library makes one of them, of
 * which its binding takes the size for 0, so that they are given past it; see docs/decisions/half-precision-arrays.md.
 */
function toEngine({ dtype, dims, data }: HostTensor): ort.Tensor {
  if (dtype === "float16") return { type: dtype, dims, data, location: "cpu" } as unknown as ort.Tensor;
  return new ort.Tensor(dtype, data as Uint8Array, dims);
}

function fromEngine({ type, dims, data }: ort.Tensor): HostTensor {
  const bits = type === "float16" ? bitsOf(data as unknown as ArrayBufferView) : data;
  return { dtype: type as DType, dims, data: bits as TensorData };
}

function bitsOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint16Array {
  return new Uint16Array(buffer, byteOffset, byteLength / Uint16Array.BYTES_PER_ELEMENT);
}
