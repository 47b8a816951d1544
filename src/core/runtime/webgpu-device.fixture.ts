/** @file For tests: whether there is a WebGPU device here, a GPU's or the software one. */

import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { exp } from "../graph/operators/elementwise.ts";
import { input } from "../graph/tensor.ts";
import type { Program } from "./device.ts";
import "./software-vulkan.fixture.ts";

/** Whether it is an error if there is no device, and what takes long on the software one runs too, as in .ci/run. */
export const required = process.env.SLIMTUNE_WEBGPU === "1";

/** A program on a WebGPU device, undefined if there is none. Shaders are kept as long as there is a program. */
export async function findDevice(): Promise<Program | undefined> {
  try {
    return await openDevice("webgpu").compile({ y: exp(input("x", "float32", [1])) });
  } catch (error) {
    if (required || !String(error).includes("There is no WebGPU device here")) throw error;
    return undefined;
  }
}

export const whyNoDevice =
  "there is no WebGPU device; on Debian install chromium and libvulkan1 for a software one";
export const whyNotAll =
  "a software device takes its time for it; SLIMTUNE_WEBGPU=1 has it run, as .ci/run does";
