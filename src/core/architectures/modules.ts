/** @file The named parts of a model and of its decoder blocks, as Hugging Face names them, with their sizes. */

import { embeddingName, headName, normName } from "../models/weights.ts";
import type { ModelConfig } from "./config.ts";

export interface LinearModule {
  /** Name within the block, such as "self_attn.q_proj". */
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
}

/** The linear layers of one decoder block, in the order in which they are applied. */
export function listLinearModules(config: ModelConfig): LinearModule[] {
  const { hiddenSize, intermediateSize, headDim } = config;
  const queries = config.numAttentionHeads * headDim;
  const keys = config.numKeyValueHeads * headDim;
  const linear = (name: string, inFeatures: number, outFeatures: number, bias: boolean): LinearModule => ({
    name,
    inFeatures,
    outFeatures,
    bias,
  });
  return [
    linear("self_attn.q_proj", hiddenSize, queries, config.queryKeyValueBias),
    linear("self_attn.k_proj", hiddenSize, keys, config.queryKeyValueBias),
    linear("self_attn.v_proj", hiddenSize, keys, config.queryKeyValueBias),
    linear("self_attn.o_proj", queries, hiddenSize, config.outputBias),
    linear("mlp.gate_proj", hiddenSize, intermediateSize, config.mlpBias),
    linear("mlp.up_proj", hiddenSize, intermediateSize, config.mlpBias),
    linear("mlp.down_proj", intermediateSize, hiddenSize, config.mlpBias),
  ];
}

const readTogether = [
  ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
  ["self_attn.o_proj"],
  ["mlp.gate_proj", "mlp.up_proj"],
  ["mlp.down_proj"],
];

/** The linear layers of one decoder block, those together that are given the same inputs. */
export function groupLinearModules(config: ModelConfig): LinearModule[][] {
  const modules = listLinearModules(config);
  return readTogether.map((names) => modules.filter(({ name }) => names.includes(name)));
}

/** Names and sizes of the vectors of one decoder block: its norms' weights and its linear layers' biases. */
export function listVectors(config: ModelConfig): { name: string; size: number }[] {
  const norms = [
    { name: "input_layernorm.weight", size: config.hiddenSize },
    { name: "post_attention_layernorm.weight", size: config.hiddenSize },
  ];
  if (config.queryKeyNorm) {
    norms.push(
      { name: "self_attn.q_norm.weight", size: config.headDim },
      { name: "self_attn.k_norm.weight", size: config.headDim },
    );
  }
  const biases = listLinearModules(config)
    .filter((module) => module.bias)
    .map((module) => ({ name: `${module.name}.bias`, size: module.outFeatures }));
  return [...norms, ...biases];
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
