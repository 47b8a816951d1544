/** @file Methods that train the model's own weights: those of the last blocks, or all. */

import * as z from "zod";
import type { ModelConfig } from "../architectures/architecture.ts";
import { InputError } from "../errors.ts";
import type { Storage } from "../models/linear.ts";
import { type Adaptation, full } from "./adaptation.ts";
import type { Method } from "./method.ts";

/**
 * Trains all weights of the last `trainableLayers` decoder blocks, as LLaMA-Factory does with freeze_trainable_layers.
 *
 * @throws InputError if the model has fewer blocks.
 *
 * @example
 * const { openModel } = await import("slimtune");
 * const { config } = await openModel("fixtures/embedded-model");
 * const adaptation = freeze(2, config);
 */
export function freeze(trainableLayers: number, { numHiddenLayers }: ModelConfig): Adaptation {
  if (trainableLayers > numHiddenLayers) {
    throw new InputError(
      `"freeze_trainable_layers" is ${trainableLayers}, but the model has ${numHiddenLayers} blocks; give a number up to that.`,
    );
  }
  return {
    adapterOf: () => undefined,
    trains(name) {
      const layer = /^model\.layers\.(\d+)\./.exec(name)?.[1];
      return layer !== undefined && Number(layer) >= numHiddenLayers - trainableLayers;
    },
  };
}

/** What both methods have in common. The learning rate is a tenth of LoRA's, which is our choice. */
const ownWeights = {
  learning_rate: 2e-5,
  storage: "float32",
  yields: "model",
  findContradiction: (_options: unknown, { method, storage }: { method: string; storage: Storage }) =>
    storage === "float32"
      ? undefined
      : `method "${method}" trains the base weights, which needs storage "float32", not "${storage}"; use method "qlora" for a quantized base.`,
} as const;

const freezeOptions = { freeze_trainable_layers: z.int().min(1).optional() };

export const freezeMethod: Method<typeof freezeOptions, { readonly freeze_trainable_layers: number }> = {
  ...ownWeights,
  options: freezeOptions,
  complete: ({ freeze_trainable_layers = 2 }) => ({ freeze_trainable_layers }),
  describe: (options) => `the last ${options.freeze_trainable_layers} blocks`,
  adapt: (options, model) => freeze(options.freeze_trainable_layers, model),
};

export const fullMethod: Method<Record<never, never>, object> = {
  ...ownWeights,
  options: {},
  complete: () => ({}),
  describe: () => "all weights",
  adapt: () => full,
};
