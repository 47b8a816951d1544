/** @file Writing texts, on the CPU unless another device is given. */

import type { AdaptedModel } from "../../core/adapters/adapted-model.ts";
import type { GeneratorOptions, LocalGenerator } from "../../core/decoding/batch-generator.ts";
import * as batchGenerator from "../../core/decoding/batch-generator.ts";
import type { GenerateOptions } from "../../core/decoding/generate.ts";
import * as oneText from "../../core/decoding/generate.ts";
import type { Device } from "../../core/runtime/device.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";

export interface DeviceChoice {
  /** Where to run. Default: the CPU. */
  readonly device?: Device;
}

/**
 * A generator that writes many texts at a time, for one base model with any number of adapters.
 *
 * @example
 * const model = await openModel("fixtures/embedded-model");
 * const generator = createGenerator(model, { batchSize: 4 });
 * const promptIds = model.tokenizer.encode("Once there was");
 * console.log((await generator.generate({ promptIds, maxNewTokens: 20 })).text);
 * await generator.close();
 */
export function createGenerator(
  model: AdaptedModel,
  { device = openDevice("cpu"), ...options }: GeneratorOptions & DeviceChoice = {},
): LocalGenerator {
  return batchGenerator.createGenerator(device, model, options);
}

/**
 * The model's continuation of `prompt`, up to its end-of-sequence token.
 *
 * @throws InputError if the prompt leaves no room in the model's context, or an option is out of its range.
 * @example
 * const model = await openModel("fixtures/embedded-model");
 * console.log(await generate(model, "Tom has 3 pens.", { maxNewTokens: 20 }));
 */
export function generate(
  model: AdaptedModel,
  prompt: string,
  { device = openDevice("cpu"), ...options }: GenerateOptions & DeviceChoice = {},
): Promise<string> {
  return oneText.generate(device, model, prompt, options);
}
