/** @file The devices of onnxruntime-web: WebGPU, and WebAssembly. The only file that imports that package. */

import * as ort from "onnxruntime-web/webgpu";
import { InputError } from "../core/errors.ts";
import { giveWay } from "../core/event-loop.ts";
import { widenInputs } from "../core/graph/lowering/half-precision.ts";
import { webgpuRules } from "../core/graph/lowering/webgpu.ts";
import type { Tensor } from "../core/graph/tensor.ts";
import { asFloat32 } from "../core/models/matrix-rows.ts";
import {
  type AnyTensor,
  type Device,
  float32,
  type HostTensor,
  type Program,
} from "../core/runtime/device.ts";
import { createDeviceOperations } from "../core/runtime/device-operations.ts";
import {
  createResidentTensors,
  type ResidentSessions,
  type ResidentTensors,
} from "../core/runtime/resident-tensors.ts";
import { compileProgram, type Session, sessionOptions } from "../core/runtime/session.ts";

export const webDeviceNames = ["webgpu", "wasm"] as const;
export type WebDeviceName = (typeof webDeviceNames)[number];

/**
 * Opens a device of a browser, in a tab or in a worker. Where the files of WebAssembly are, the package onnxruntime-web is told by
 * `env.wasm.wasmPaths`, and by how many threads it computes by `env.wasm.numThreads`: more than one only on a page that is
 * isolated from other origins. Between two programs the page has its turn.
 *
 * @throws InputError if the name is unknown; when it compiles, if there is no such device; and {@link DeviceLostError} when it
 *   computes, if it is lost.
 *
 * @example
 * const device = openWebDevice("webgpu");
 */
export function openWebDevice(name: WebDeviceName): Device {
  if (!webDeviceNames.includes(name)) {
    throw new InputError(`There is no device "${name}"; choose one of ${webDeviceNames.join(", ")}.`);
  }
  if (name === "wasm") {
    const create = (model: Uint8Array) => createSession(model, { executionProviders: ["wasm"] });
    return { name, compile: (outputs) => compileProgram(outputs, create) };
  }
  let opened: Promise<OpenedGpu> | undefined;
  const open = () => (opened ??= openGpu());
  const compileKeeping = async <Result extends AnyTensor>(
    outputs: Readonly<Record<string, Tensor>>,
    keeps: (name: string) => boolean,
  ): Promise<Program<Result>> => {
    const { widens, create, place, hold } = await open();
    const rules = { ...webgpuRules, ...(widens && widenInputs()) };
    const kept = Object.keys(outputs).filter(keeps);
    return compileProgram(outputs, (model) => create(model, kept), { rules, place, keeps, hold });
  };
  return {
    name,
    compile: (outputs) => compileKeeping(outputs, () => false),
    compileKeeping,
    operations: createDeviceOperations(compileKeeping),
    tensorLimit: async (bytes) => Math.min(bytes, (await open()).maxBufferSize),
  };
}

/**
 * The GPU is gone: it was taken away, its driver was started anew, or its memory ran out.
 *
 * @example
 * const tell = (error: unknown) => error instanceof DeviceLostError && console.warn(error.message);
 */
export class DeviceLostError extends InputError {}

/** What is used of WebGPU's interface, of which TypeScript's libraries know nothing here. */
interface Gpu {
  requestAdapter(options: { powerPreference: "high-performance" }): Promise<GpuAdapter | null>;
}
interface GpuAdapter {
  readonly features: ReadonlySet<string>;
  readonly limits: Readonly<Record<string, number>>;
  requestDevice(options: {
    requiredFeatures: readonly string[];
    requiredLimits: Readonly<Record<string, number>>;
  }): Promise<GpuDevice>;
}
interface GpuDevice {
  readonly limits: { readonly maxBufferSize: number };
  readonly lost: Promise<{ readonly message: string }>;
}

/** What ONNX Runtime's kernels are faster with, or need for numbers of 16 bits. */
const wantedFeatures = ["shader-f16", "subgroups"];

interface OpenedGpu extends ResidentTensors {
  /** Whether it does not compute with numbers of 16 bits. */
  readonly widens: boolean;
  /** In bytes. What is more than one binding may hold, ONNX Runtime binds in pieces. */
  readonly maxBufferSize: number;
  /** @param kept the outputs that stay on the device */
  create(model: Uint8Array, kept: readonly string[]): Promise<Session>;
}

async function openGpu(): Promise<OpenedGpu> {
  const { gpu } = (globalThis as { navigator?: { gpu?: Gpu } }).navigator ?? {};
  const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new InputError(
      'This browser gives no WebGPU device; choose the device "wasm", or another browser or driver of the graphics card.',
    );
  }
  const { features, limits } = adapter;
  // A device has the least limits of all that there are, unless it is asked for more. They are not own properties.
  const requiredLimits: Record<string, number> = {};
  for (const limit in limits) requiredLimits[limit] = limits[limit]!;
  const device = await adapter.requestDevice({
    requiredFeatures: wantedFeatures.filter((feature) => features.has(feature)),
    requiredLimits,
  });
  let isLost = false;
  const lost = device.lost.then(({ message }): never => {
    isLost = true;
    throw new DeviceLostError(
      `The WebGPU device was lost${message && ` (${message.replace(/\.$/, "")})`}; open it again, or the device "wasm", and go on from the last state.`,
    );
  });
  lost.catch(() => {});
  const executionProviders = [
    { name: "webgpu", device },
    "wasm",
  ] as ort.InferenceSession.ExecutionProviderConfig[];
  const createOn = async (model: Uint8Array, options: ort.InferenceSession.SessionOptions) => {
    const session = await Promise.race([createSession(model, { executionProviders, ...options }), lost]);
    return {
      // Without its device a program fails in many ways, or never ends.
      run: (feeds: Parameters<Session["run"]>[0]) =>
        Promise.race([session.run(feeds).catch((error) => (isLost ? lost : Promise.reject(error))), lost]),
      release: () => session.release(),
    };
  };
  const widens = !features.has("shader-f16");
  const sessions: ResidentSessions = {
    keep: (model) => createOn(model, { preferredOutputLocation: "gpu-buffer" }),
    fetch: (model) => createOn(model, {}),
  };
  return {
    widens,
    maxBufferSize: device.limits.maxBufferSize,
    create: (model, kept) =>
      createOn(model, {
        preferredOutputLocation: Object.fromEntries(kept.map((output) => [output, "gpu-buffer"])),
      }),
    ...createResidentTensors(sessions, widens ? widen : undefined),
  };
}

async function createSession(
  model: Uint8Array,
  options: ort.InferenceSession.SessionOptions,
): Promise<Session> {
  const session = await ort.InferenceSession.create(model, { ...sessionOptions, ...options });
  return {
    async run(feeds) {
      const fetched = await session.run(feeds as Record<string, ort.Tensor>);
      await giveWay();
      return fetched;
    },
    release: () => session.release(),
  };
}

function widen(tensor: HostTensor): HostTensor {
  return tensor.dtype === "float16" ? float32(asFloat32(tensor.data), tensor.dims) : tensor;
}
