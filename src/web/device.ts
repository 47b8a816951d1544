/** @file The devices of onnxruntime-web: WebGPU, and WebAssembly. The only file that imports that package. */

import * as ort from "onnxruntime-web/webgpu";
import { InputError } from "../core/errors.ts";
import type { Device } from "../core/runtime/device.ts";
import { compileProgram, type Session, sessionOptions } from "../core/runtime/session.ts";

export const webDeviceNames = ["webgpu", "wasm"] as const;
export type WebDeviceName = (typeof webDeviceNames)[number];

/**
 * Opens a device of a browser. Where the files of WebAssembly are, the package is told by `env.wasm.wasmPaths`, and by how many
 * threads it computes by `env.wasm.numThreads`.
 *
 * @throws InputError if the name is unknown; and, when it compiles, if there is no such device.
 *
 * @example
 * const device = openWebDevice("webgpu");
 */
export function openWebDevice(name: WebDeviceName): Device {
  if (!webDeviceNames.includes(name)) {
    throw new InputError(`There is no device "${name}"; choose one of ${webDeviceNames.join(", ")}.`);
  }
  const executionProviders = name === "wasm" ? ["wasm"] : [name, "wasm"];
  const create = async (model: Uint8Array): Promise<Session> => {
    const session = await ort.InferenceSession.create(model, { ...sessionOptions, executionProviders });
    return {
      run: (feeds) => session.run(feeds as Record<string, ort.Tensor>),
      release: () => session.release(),
    };
  };
  return { name, compile: (outputs) => compileProgram(outputs, create) };
}
