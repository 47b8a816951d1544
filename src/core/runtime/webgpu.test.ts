import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { checkDevice, openDevice } from "../../node/runtime/onnx-runtime.ts";
import { lora, loraConfigSchema } from "../adapters/lora.ts";
import { initializeParameters, zerosLike } from "../adapters/parameters.ts";
import { createEngine, sumLosses } from "../engine/engine.ts";
import { loadWeights } from "../models/load-weights.ts";

/** The software Vulkan device that Debian's chromium carries (it needs libvulkan1 beside it). */
const software = "/usr/lib/chromium/vk_swiftshader_icd.json";
if (existsSync(software)) process.env.VK_ICD_FILENAMES ??= software;
/** Whether it is an error if there is no device. */
const required = process.env.SLIMTUNE_WEBGPU === "1";

/** Whether the engine finds a WebGPU device: a GPU's, or the software one. */
async function findDevice(): Promise<boolean> {
  try {
    await checkDevice(openDevice("webgpu"));
    return true;
  } catch (error) {
    if (required || !String(error).includes("There is no WebGPU device here")) throw error;
    return false;
  }
}

test("a LoRA step on WebGPU equals the CPU's", async ({ skip }) => {
  const found = await findDevice();
  skip(!found, "there is no WebGPU device; on Debian install chromium and libvulkan1 for a software one");
  const checkpoint = await openCheckpoint("fixtures/reference/models/llama");
  const { config } = checkpoint;
  const weights = await loadWeights(checkpoint);
  const adaptation = lora(loraConfigSchema.parse({ r: 4, lora_alpha: 8 }), config);
  const parameters = await initializeParameters(config, adaptation, weights, 0);
  const inputIds = Int32Array.from({ length: 16 }, (_, i) => (i * 7) % config.vocabSize);
  const batch = {
    rows: 1,
    length: 16,
    inputIds,
    positionIds: Int32Array.from(inputIds.keys()),
    segmentIds: new Int32Array(16).fill(1),
    labelPositions: Int32Array.from({ length: 15 }, (_, i) => i),
    labels: inputIds.slice(1),
  };
  const step = async (name: "cpu" | "webgpu") => {
    const engine = createEngine(openDevice(name), config, weights, adaptation, { segmentSize: 1 });
    const gradients = zerosLike(parameters);
    const { logProbabilities } = await engine.accumulate(batch, parameters, gradients, { weights: 1 / 15 });
    const loss = sumLosses(logProbabilities);
    return { loss, gradients };
  };
  const [cpu, webgpu] = [await step("cpu"), await step("webgpu")];
  expect(webgpu.loss / cpu.loss).toBeCloseTo(1, 4);
  for (const [name, { data }] of cpu.gradients) {
    const other = webgpu.gradients.get(name)!.data;
    const difference = Math.hypot(...data.map((value, i) => value - other[i]!));
    expect(difference, name).toBeLessThan(1e-3 * Math.hypot(...data) + 1e-6);
  }
});
