/** @file The trained tensors of an adaptation as a whole, listed and initialized. */

import type { ModelConfig } from "../architectures/architecture.ts";
import {
  embeddingName,
  headName,
  listLinearModules,
  listVectors,
  nameInLayer,
  normName,
} from "../architectures/modules.ts";
import { readStoredWeight } from "../models/linear.ts";
import type { ModelWeights } from "../models/weights.ts";
import { createRandom } from "../random.ts";
import type { HostTensor } from "../runtime/device.ts";
import type { Adaptation } from "./adaptation.ts";

/** A trained tensor, or its gradient. */
export interface Parameter {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** Trained tensors by full name, such as "model.layers.0.self_attn.q_proj.lora_A.weight". */
export type Parameters = ReadonlyMap<string, Parameter>;

interface ListedParameter {
  readonly name: string;
  readonly dims: readonly number[];
  /** An adapter's tensor at the start. */
  readonly initialize?: (weights: ModelWeights, seed: number) => Float32Array;
}

/** Names and shapes of all trained tensors, in the model's order, with the way to initialize an adapter's. */
export function listParameters(config: ModelConfig, adaptation: Adaptation): ListedParameter[] {
  const listed: ListedParameter[] = [];
  const base = (name: string, dims: readonly number[]) => {
    if (adaptation.trains(name)) listed.push({ name, dims });
  };
  base(embeddingName, [config.vocabSize, config.hiddenSize]);
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    for (const { name, size } of listVectors(config)) base(nameInLayer(layer, name), [size]);
    for (const [index, module] of listLinearModules(config).entries()) {
      const { outFeatures, inFeatures } = module;
      const moduleName = nameInLayer(layer, module.name);
      base(`${moduleName}.weight`, [outFeatures, inFeatures]);
      const adapter = adaptation.adapterOf(moduleName, outFeatures, inFeatures);
      for (const [position, parameter] of (adapter?.parameters ?? []).entries()) {
        listed.push({
          name: `${moduleName}.${parameter.name}`,
          dims: parameter.shape,
          initialize: (weights, seed) =>
            parameter.initialize(createRandom(seed, layer, index, position), () =>
              readStoredWeight(weights.block(layer), `${module.name}.weight`),
            ),
        });
      }
    }
  }
  base(normName, [config.hiddenSize]);
  if (!config.tieWordEmbeddings) base(headName, [config.vocabSize, config.hiddenSize]);
  return listed;
}

/**
 * The trained tensors at the start of a run: an adapter's from `seed` and `weights`, the base model's copied from
 * `weights` (which must be stored in float32).
 */
export function initializeParameters(
  config: ModelConfig,
  adaptation: Adaptation,
  weights: ModelWeights,
  seed: number,
): Map<string, Parameter> {
  const parameters = new Map<string, Parameter>();
  for (const { name, dims, initialize } of listParameters(config, adaptation)) {
    parameters.set(name, {
      dims,
      data: initialize ? initialize(weights, seed) : Float32Array.from(readBaseTensor(weights, name)),
    });
  }
  return parameters;
}

/** The base model's own tensor `name`, which must be kept in float32. */
export function readBaseTensor(weights: ModelWeights, name: string): Float32Array {
  const outer: Readonly<Record<string, HostTensor>> = {
    [embeddingName]: weights.embedding,
    [normName]: weights.norm,
    [headName]: weights.head,
  };
  const [, layer, rest] = /^model\.layers\.(\d+)\.(.+)$/.exec(name) ?? [];
  const tensor = outer[name] ?? weights.block(Number(layer))[rest!];
  if (!(tensor?.data instanceof Float32Array))
    throw new Error(`The base tensor "${name}" is not kept in float32.`);
  return tensor.data;
}

/** Zeros of the same names and shapes. */
export function zerosLike(parameters: Parameters): Map<string, Parameter> {
  return new Map(
    [...parameters].map(([name, { dims, data }]) => [name, { dims, data: new Float32Array(data.length) }]),
  );
}
