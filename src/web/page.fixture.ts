/** @file For tests: what a page does that tunes a model. */

import type { Storage } from "../core/models/linear.ts";
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

/** What is said where there is no WebGPU device, and where it is taken away while a program runs; both in a sentence. */
export async function failInPage(address: string, fault: "no device" | "lost"): Promise<string> {
  const { navigator, GPUAdapter } = globalThis as unknown as {
    navigator: { gpu: { requestAdapter(): Promise<unknown> } };
    GPUAdapter: { prototype: { requestDevice(options: unknown): Promise<{ destroy(): void }> } };
  };
  const { requestAdapter } = navigator.gpu;
  const { requestDevice } = GPUAdapter.prototype;
  if (fault === "no device") navigator.gpu.requestAdapter = async () => null;
  GPUAdapter.prototype.requestDevice = async function (options) {
    const device = await requestDevice.call(this, options);
    setTimeout(() => device.destroy(), 100);
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
