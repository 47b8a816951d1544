/** @file The named parts of a model and of its decoder blocks, as Hugging Face names them, with their sizes. */

import type { LinearModule, ModelConfig, VectorParameter } from "./architecture.ts";
import { architectureOf } from "./architectures.ts";

/** Names of the tensors outside the decoder blocks. */
export const embeddingName = "model.embed_tokens.weight";
export const normName = "model.norm.weight";
export const headName = "lm_head.weight";

/** The linear layers of one decoder block, those together that are given the same inputs. */
export function groupLinearModules(config: ModelConfig): readonly (readonly LinearModule[])[] {
  return architectureOf(config).linearModules(config);
}

/** The linear layers of one decoder block, in the order in which they are applied. */
export function listLinearModules(config: ModelConfig): LinearModule[] {
  return groupLinearModules(config).flat();
}

/** Names and sizes of the vectors of one decoder block: its norms' weights and its linear layers' biases. */
export function listVectors(config: ModelConfig): VectorParameter[] {
  const biases = listLinearModules(config)
    .filter((module) => module.bias)
    .map((module) => ({ name: `${module.name}.bias`, size: module.outFeatures }));
  return [...architectureOf(config).norms(config), ...biases];
}

/** The full name of a part of block `layer`: the prefix of Hugging Face's state dictionaries. */
export function nameInLayer(layer: number, name: string): string {
  return `model.layers.${layer}.${name}`;
}

/** Names and shapes of all tensors of a model. */
export function listTensors(config: ModelConfig): { name: string; shape: number[] }[] {
  const table = [config.vocabSize, config.hiddenSize];
  const blocks = Array.from({ length: config.numHiddenLayers }, (_, layer) => [
    ...listVectors(config).map(({ name, size }) => ({ name: nameInLayer(layer, name), shape: [size] })),
    ...listLinearModules(config).map(({ name, outFeatures, inFeatures }) => ({
      name: nameInLayer(layer, `${name}.weight`),
      shape: [outFeatures, inFeatures],
    })),
  ]).flat();
  return [
    { name: embeddingName, shape: table },
    ...blocks,
    { name: normName, shape: [config.hiddenSize] },
    ...(config.tieWordEmbeddings ? [] : [{ name: headName, shape: table }]),
  ];
}

/** Weights of one decoder block, norms and biases included. */
export function countBlockParameters(config: ModelConfig): number {
  const matrices = listLinearModules(config).reduce((sum, m) => sum + m.inFeatures * m.outFeatures, 0);
  return matrices + listVectors(config).reduce((sum, vector) => sum + vector.size, 0);
}

/** Weights of the whole model; a tied head counts once. */
export function countParameters(config: ModelConfig): number {
  const embedding = config.vocabSize * config.hiddenSize;
  const blocks = config.numHiddenLayers * countBlockParameters(config);
  return blocks + config.hiddenSize + embedding * (config.tieWordEmbeddings ? 1 : 2);
}
