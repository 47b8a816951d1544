/** @file Freeze tuning: the last blocks are trained, and all before them and around them is frozen. */

import type { ModelConfig } from "../architectures/architecture.ts";
import { InputError } from "../errors.ts";
import type { Adaptation } from "./adaptation.ts";

/**
 * Trains all weights of the last `trainableLayers` decoder blocks, as LLaMA-Factory does with freeze_trainable_layers.
 *
 * @throws InputError if the model has fewer blocks.
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
