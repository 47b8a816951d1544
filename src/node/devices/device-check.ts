/** @file What a device does with small programs of each kind: what they give, and how long they take. */

import { fileURLToPath } from "node:url";
import { lora, loraConfigSchema } from "../../core/adapters/lora.ts";
import { initializeParameters, type Parameters, zerosLike } from "../../core/adapters/parameters.ts";
import { buildMicroBatches } from "../../core/data/batch.ts";
import { generate } from "../../core/decoding/generate.ts";
import { createEngine, sumLosses } from "../../core/engine/engine.ts";
import { measureProductRate } from "../../core/engine/product-rate.ts";
import type { Storage } from "../../core/models/linear.ts";
import { createRandom } from "../../core/random.ts";
import { type Device, float32 } from "../../core/runtime/device.ts";
import { adamW, createMoments } from "../../core/training/adamw.ts";
import { openDeviceOptimizer } from "../../core/training/device-optimizer.ts";
import { createArrayOptimizer } from "../../core/training/optimizer.ts";
import { openModel } from "../models/open-model.ts";

/** Ways to tune, by the names that people know, and how each keeps the weights. */
export const checkedMethods = {
  LoRA: "float32",
  QLoRA: "nf4",
  "LoRA on int8": "int8",
} as const satisfies Record<string, Storage>;
export type CheckedMethod = keyof typeof checkedMethods;

export interface DeviceCheck {
  /** Floating-point operations a second of float32 products. */
  readonly productRate: number;
  /** Mean losses of three steps on the embedded model, and the tokens a second of the last two. */
  readonly steps: Readonly<
    Record<CheckedMethod, { readonly losses: number[]; readonly tokensPerSecond: number }>
  >;
  /** The likeliest continuation of a prompt, the time to compile included. */
  readonly writing: { readonly text: string; readonly tokensPerSecond: number };
  /** The values of some tensors after two steps of AdamW, computed where a run on the device computes it. */
  readonly adamW: readonly number[];
}

const modelFolder = fileURLToPath(new URL("../../../fixtures/embedded-model", import.meta.url));
const text =
  "Tom has 3 pens and buys 2 more, so he has 5 pens. Ann has 4 cats and finds 3 more, so she has 7 cats. ";
const writtenTokens = 24;

/**
 * Runs all of it, in some seconds on a CPU.
 *
 * @param onStage told of what begins, in words
 * @throws InputError if there is no such device in the machine; Error if it fails.
 */
export async function tryDevice(
  device: Device,
  onStage: (stage: string) => void = () => {},
): Promise<DeviceCheck> {
  onStage("matrix products");
  const productRate = await measureProductRate(device, 1);
  const steps: Partial<Record<CheckedMethod, DeviceCheck["steps"][CheckedMethod]>> = {};
  for (const [method, storage] of Object.entries(checkedMethods) as [CheckedMethod, Storage][]) {
    onStage(`steps of ${method}`);
    steps[method] = await tune(device, storage);
  }
  onStage("a text");
  const model = await openModel(modelFolder);
  const started = performance.now();
  const written = await generate(device, model, "The cat sat on", {
    maxNewTokens: writtenTokens,
    bits: "exact",
  });
  const tokensPerSecond = writtenTokens / ((performance.now() - started) / 1000);
  onStage("steps of AdamW");
  return {
    productRate,
    steps: steps as DeviceCheck["steps"],
    writing: { text: written, tokensPerSecond },
    adamW: await optimize(device),
  };
}

/** The values of a matrix, which is decayed, and of a norm, which is not, after two steps with clipped gradients. */
async function optimize(device: Device): Promise<number[]> {
  const random = createRandom(0);
  const draw = (...dims: number[]) => {
    const length = dims.reduce((product, dim) => product * dim);
    return { dims, data: Float32Array.from({ length }, () => random.normal()) };
  };
  const parameters: Parameters = new Map([
    ["model.layers.0.self_attn.q_proj.lora_A.weight", draw(8, 32)],
    ["model.layers.0.input_layernorm.weight", draw(32)],
  ]);
  const tensors = { parameters, moments: createMoments(parameters) };
  const { operations } = device;
  const optimizer = operations
    ? await openDeviceOptimizer(device, tensors, () => 1)
    : createArrayOptimizer(tensors);
  const config = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.5 };
  for (const step of [1, 2]) {
    optimizer.clear();
    for (const [name, { dims }] of parameters) {
      const { data } = draw(...dims);
      const uploaded = await operations?.upload(float32(data, dims));
      if (uploaded) await optimizer.gradients.addOnDevice!(new Map([[name, uploaded]]));
      else optimizer.gradients.get(name)!.data.set(data);
    }
    const norm = await optimizer.gradientNorm();
    await optimizer.update(norm, { step, learningRateOf: () => 0.1, maxGradNorm: 1, config });
  }
  await optimizer.save?.();
  await optimizer.release?.();
  return [...parameters.values()].flatMap(({ data }) => [...data]);
}

async function tune(device: Device, storage: Storage): Promise<DeviceCheck["steps"][CheckedMethod]> {
  const { config, weights, tokenizer } = await openModel(modelFolder, { storage });
  const adaptation = lora(loraConfigSchema.parse({ r: 8 }), config);
  const parameters = await initializeParameters(config, adaptation, weights, 0);
  const engine = createEngine(device, config, weights, adaptation, { segmentSize: config.numHiddenLayers });
  const update = adamW(parameters, { learningRate: 1e-2 });
  const ids = Int32Array.from(tokenizer.encode(text));
  const example = { ids, trained: new Uint8Array(ids.length).fill(1) };
  const [batch] = buildMicroBatches([example, example, example, example], {
    microBatchTokens: 512,
    packing: false,
  });
  const losses: number[] = [];
  let started = 0;
  for (let step = 0; step < 3; step++) {
    // The first step compiles.
    if (step === 1) started = performance.now();
    const gradients = zerosLike(parameters);
    const weights = 1 / batch!.labels.length;
    losses.push(
      weights *
        sumLosses((await engine.accumulate(batch!, parameters, gradients, { weights })).logProbabilities),
    );
    update(gradients);
  }
  const tokensPerSecond = (2 * batch!.inputIds.length) / ((performance.now() - started) / 1000);
  await engine.release();
  return { losses, tokensPerSecond };
}
