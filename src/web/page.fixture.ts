/** @file For tests: what a page does that tunes a model. */

import { matmul } from "../core/graph/operators/matmul.ts";
import { input } from "../core/graph/tensor.ts";
import type { Storage } from "../core/models/linear.ts";
import { asConstant, float32 } from "../core/runtime/device.ts";
import { openWebDevice, type WebDeviceName } from "./device.ts";
import { openWebModel } from "./open-model.ts";
import { type ShortTuning, tuneAndWrite } from "./tuning.fixture.ts";

const devices = new Map(["wasm" as const, "webgpu" as const].map((name) => [name, openWebDevice(name)]));

export async function tuneInPage(
  address: string,
  device: WebDeviceName,
  storage: Storage,
  writes: boolean,
): Promise<ShortTuning> {
  return tuneAndWrite(devices.get(device)!, await openWebModel(address, { storage }), writes);
}

interface Limits {
  maxBufferSize: number;
  maxStorageBufferBindingSize: number;
}
const { navigator, GPUAdapter } = globalThis as unknown as {
  navigator: { gpu: { requestAdapter(): Promise<unknown> } };
  GPUAdapter: {
    prototype: {
      requestDevice(options: {
        requiredLimits: Limits;
      }): Promise<{ destroy(): void; readonly limits: Limits }>;
    };
  };
};

/**
 * What is said where there is no WebGPU device, where it is taken away while a program runs, and where it gives too little in one piece;
 * each in a sentence.
 */
export async function failInPage(address: string, fault: "no device" | "lost" | "small"): Promise<string> {
  const { requestAdapter } = navigator.gpu;
  const { requestDevice } = GPUAdapter.prototype;
  if (fault === "no device") navigator.gpu.requestAdapter = async () => null;
  GPUAdapter.prototype.requestDevice = async function (options) {
    const device = await requestDevice.call(this, options);
    if (fault === "lost") setTimeout(() => device.destroy(), 100);
    if (fault === "small") Object.defineProperty(device, "limits", { value: { maxBufferSize: 300_000 } });
    return device;
  };
  try {
    await tuneAndWrite(openWebDevice("webgpu"), await openWebModel(address));
    return "nothing failed";
  } catch (error) {
    return (error as Error).message;
  } finally {
    navigator.gpu.requestAdapter = requestAdapter;
    GPUAdapter.prototype.requestDevice = requestDevice;
  }
}

/**
 * A product of ones with a weight of ones [4096, 9000], 147 MB, on a device that has the least limits of all: the bytes of a binding, and
 * the mean of the product.
 */
export async function multiplyInPieces(): Promise<{ binding: number; product: number }> {
  const { requestDevice } = GPUAdapter.prototype;
  let binding = 0;
  GPUAdapter.prototype.requestDevice = async function ({ requiredLimits, ...options }) {
    const least = { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27 };
    const device = await requestDevice.call(this, {
      ...options,
      requiredLimits: { ...requiredLimits, ...least },
    });
    binding = device.limits.maxStorageBufferBindingSize;
    return device;
  };
  try {
    const [rows, columns] = [4096, 9000];
    const ones = (...dims: [number, number]) =>
      asConstant(float32(new Float32Array(dims[0] * dims[1]).fill(1), dims));
    const y = matmul(input("x", "float32", [1, rows]), input("weight", "float32", [rows, columns]));
    const program = await openWebDevice("webgpu").compile({ y });
    const results = await program.run({ x: ones(1, rows), weight: ones(rows, columns) });
    await program.release();
    const sum = (results.y!.data as Float32Array).reduce((total, value) => total + value, 0);
    return { binding, product: sum / columns };
  } finally {
    GPUAdapter.prototype.requestDevice = requestDevice;
  }
}
