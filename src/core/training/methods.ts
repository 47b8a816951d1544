/** @file The tuning methods by name: how each sets the other options, and what it makes of a model (docs/methods.md). */

import { type Adaptation, full } from "../adapters/adaptation.ts";
import { freeze } from "../adapters/freeze.ts";
import { type LoraConfig, lora } from "../adapters/lora.ts";
import type { ModelConfig } from "../architectures/architecture.ts";
import type { Storage } from "../models/linear.ts";

interface Method {
  /** Highest learning rate by default. */
  readonly learning_rate: number;
  /** How the base model's linear weights are kept by default. */
  readonly storage: Storage;
  /** The settings of LoRA that make the method; none where the base model's own weights are trained. */
  readonly lora?: Partial<LoraConfig>;
  /** B's learning rate over A's, by default. */
  readonly loraplus_lr_ratio?: number;
  /** Blocks that are trained, the last ones, by default. */
  readonly freeze_trainable_layers?: number;
}

/*
 * Learning rates: 2e-4 is what Dettmers et al. 2023 took for models up to 13B; a tenth of it for the model's own weights is
 * our choice. For LoRA+, PEFT advises half of LoRA's for A, and shows a ratio of 16 as LLaMA-Factory does.
 */
const methods = {
  lora: { learning_rate: 2e-4, storage: "float32", lora: {} },
  qlora: { learning_rate: 2e-4, storage: "nf4", lora: {} },
  "lora+": { learning_rate: 1e-4, storage: "float32", lora: {}, loraplus_lr_ratio: 16 },
  rslora: { learning_rate: 2e-4, storage: "float32", lora: { use_rslora: true } },
  dora: { learning_rate: 2e-4, storage: "float32", lora: { use_dora: true } },
  pissa: { learning_rate: 2e-4, storage: "float32", lora: { init_lora_weights: "pissa" } },
  freeze: { learning_rate: 2e-5, storage: "float32", freeze_trainable_layers: 2 },
  full: { learning_rate: 2e-5, storage: "float32" },
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof methods;
export const methodNames = Object.keys(methods) as [MethodName, ...MethodName[]];

export function methodOf(name: MethodName): Method {
  return methods[name];
}

/** What a run's options make of a model. */
export interface AdaptationOptions {
  /** None where the base model's own weights are trained. */
  readonly lora?: LoraConfig | undefined;
  readonly freeze_trainable_layers?: number | undefined;
}

/** @throws InputError if the options do not fit the model. */
export function createAdaptation(options: AdaptationOptions, model: ModelConfig): Adaptation {
  if (options.lora) return lora(options.lora, model);
  const { freeze_trainable_layers: layers } = options;
  return layers === undefined ? full : freeze(layers, model);
}
