/** @file The devices of onnxruntime-node: the CPU, and WebGPU. The only file that imports the engine. */

import { availableParallelism } from "node:os";
import * as ort from "onnxruntime-node";
import { DeviceError, InputError } from "../../core/errors.ts";
import { decodeFloat16 } from "../../core/formats/float16.ts";
import { widenInputs } from "../../core/graph/lowering/half-precision.ts";
import { webgpuRules } from "../../core/graph/lowering/webgpu.ts";
import { cast, exp } from "../../core/graph/operators/elementwise.ts";
import { gather } from "../../core/graph/operators/movement.ts";
import { apply, constant, input, type Operator, type Tensor } from "../../core/graph/tensor.ts";
import {
  type AnyTensor,
  type Device,
  float32,
  type HostTensor,
  type Program,
} from "../../core/runtime/device.ts";
import { createDeviceOperations } from "../../core/runtime/device-operations.ts";
import { createResidentTensors, type ResidentSessions } from "../../core/runtime/resident-tensors.ts";
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
  const create = (model: Uint8Array, kept: readonly string[] = [], measures = profilePrefix !== undefined) =>
    createWith(model, {
      ...(measures ? profiled() : options),
      ...(kept.length > 0 && {
        preferredOutputLocation: Object.fromEntries(kept.map((output) => [output, "gpu-buffer"])),
      }),
    });
  if (name === "cpu") return { name, compile: (outputs) => compileProgram(outputs, create) };
  const sessions: ResidentSessions = {
    keep: (model) => createWith(model, { ...options, preferredOutputLocation: "gpu-buffer" }),
    fetch: (model) => createWith(model, options),
  };
  const placement = once(async () => {
    const widens = !(await hasHalfPrecision((model) =>
      createWith(model, { ...options, logSeverityLevel: 4 }),
    ));
    return { widens, ...createResidentTensors(sessions, widens ? widen : undefined) };
  });
  const compileKeeping = async <Result extends AnyTensor>(
    outputs: Readonly<Record<string, Tensor>>,
    keeps: (name: string) => boolean,
    measures?: boolean,
  ): Promise<Program<Result>> => {
    const { widens, place, hold } = await placement();
    const rules = { ...(lowers && webgpuRules), ...(widens && widenInputs()) };
    const kept = Object.keys(outputs).filter(keeps);
    return compileProgram(outputs, (model) => create(model, kept, measures), { rules, place, keeps, hold });
  };
  return {
    name,
    compile: (outputs) => compileKeeping(outputs, () => false),
    compileKeeping: (outputs, keeps) => compileKeeping(outputs, keeps),
    // Their programs are not released, which is when a profile is written.
    operations: createDeviceOperations((outputs, keeps) => compileKeeping(outputs, keeps, false)),
    tensorLimit: (bytes) => findTensorLimit(bytes, (outputs) => compileKeeping(outputs, () => false, false)),
  };
}

/** What every WebGPU device gives in one piece, by the specification's default of `maxBufferSize`. */
const leastBufferBytes = 2 ** 28;

/**
 * How many of so many bytes a tensor may take: all, or the largest power of two. ONNX Runtime does not tell a device's limits, and from a
 * piece beyond them reads zeros or fails, so that tensors of ones are made until one holds them.
 */
async function findTensorLimit(bytes: number, compile: Device["compile"]): Promise<number> {
  if (bytes <= leastBufferBytes) return bytes;
  const program = await compile({ last: buildLastOfMany() });
  const holds = async (size: number) => {
    const length = BigInt64Array.of(BigInt(Math.ceil(size / Float32Array.BYTES_PER_ELEMENT)));
    const one = float32(Float32Array.of(1), [1]);
    const { last } = await program
      .run({ one, length: { dtype: "int64", dims: [1], data: length } })
      .catch(() => ({ last: undefined }));
    return last?.data[0] === 1;
  };
  try {
    if (await holds(bytes)) return bytes;
    let limit = 2 ** Math.floor(Math.log2(bytes - 1));
    while (limit > leastBufferBytes && !(await holds(limit))) limit /= 2;
    return limit;
  } finally {
    await program.release();
  }
}

/** The last of "length" (int64 [1]) times "one" (float32 [1]). */
function buildLastOfMany(): Tensor {
  const expand: Operator = { onnx: { type: "Expand" }, infer: () => [{ dtype: "float32", shape: ["N"] }] };
  const many = apply(expand, [input("one", "float32", [1]), input("length", "int64", [1])])[0]!;
  return gather(many, constant("int64", [1], BigInt64Array.of(-1n)));
}

/**
 * Compiles the smallest program, but on the CPU, which is always there.
 *
 * @returns the device
 * @throws InputError if there is no such device in the machine.
 */
export async function checkDevice(device: Device): Promise<Device> {
  if (device.name === "cpu") return device;
  const program = await device.compile({ y: exp(input("x", "float32", [1])) });
  await program.release();
  return device;
}

/** Whether a device computes with half-precision numbers. */
async function hasHalfPrecision(create: (model: Uint8Array) => Promise<Session>): Promise<boolean> {
  const program = await compileProgram({ y: cast(input("x", "float16", [1]), "float32") }, create);
  const x: HostTensor = { dtype: "float16", dims: [1], data: Uint16Array.of(0) };
  return program
    .run({ x })
    .then(
      () => true,
      (error: Error) => {
        if (error.message.includes("requires f16 but the device does not support it")) return false;
        throw error;
      },
    )
    .finally(program.release);
}

function widen(tensor: HostTensor): HostTensor {
  return tensor.dtype === "float16"
    ? float32(decodeFloat16(tensor.data as Uint16Array), tensor.dims)
    : tensor;
}

/** `compute`, whose result is kept; a failure is not. */
function once<T>(compute: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () =>
    (result ??= compute().catch((error) => {
      result = undefined;
      throw error;
    }));
}

function describeFailure(error: Error): Error {
  const { message } = error;
  const options = { cause: error };
  const [reason] = /Failed to get a WebGPU adapter.*/.exec(message) ?? [];
  if (reason !== undefined)
    return new InputError(
      `There is no WebGPU device here (${reason}); choose the device "cpu", or install the driver of the graphics card.`,
      options,
    );
  const [, size, limit] =
    /Buffer size \((\d+)\) exceeds the max buffer size limit \((\d+)\)/.exec(message) ?? [];
  if (size !== undefined)
    return new DeviceError(
      `A tensor takes ${size} bytes, and the graphics card's driver gives ${limit} in one piece at most; take shorter micro-batches (micro_batch_tokens), fewer blocks at a time (segment_size) or a model with a smaller vocabulary, or choose the device "cpu".`,
      options,
    );
  // Where there is no memory left, ONNX Runtime goes on with a buffer that is none.
  if (/OUT_OF_DEVICE_MEMORY|OUT_OF_HOST_MEMORY|[Oo]ut of memory|\[Invalid Buffer/.test(message))
    return new DeviceError(
      'The graphics card has no memory left; take shorter micro-batches (micro_batch_tokens), fewer blocks at a time (segment_size) or smaller weights (storage), or choose the device "cpu".',
      options,
    );
  const [lost] = /.*\b[Dd]evice(?: is| was|) lost\b.*|.*DeviceLost.*/.exec(message) ?? [];
  if (lost !== undefined)
    return new DeviceError(
      `The graphics card was lost as it computed (${lost.trim()}); its driver was reset, or another program took it.`,
      options,
    );
  return error;
}
