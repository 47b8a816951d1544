/** @file The tensors of an adaptation as a whole, listed and initialized. */

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
import { asFloat32, lookUpRows, wholeOf } from "../models/matrix-rows.ts";
import type { ModelWeights } from "../models/weights.ts";
import { createRandom } from "../random.ts";
import { type AnyTensor, type DeviceTensor, float32, type RowMatrix } from "../runtime/device.ts";
import {
  type Adaptation,
  attentionModule,
  embeddingModule,
  type LinearAdapter,
  outputModule,
} from "./adaptation.ts";

/** A tensor of an adaptation, or its gradient. */
export interface Parameter {
  readonly dims: readonly number[];
  readonly data: Float32Array;
  /** Whether it is part of an adapter without being trained. Default false. */
  readonly isFrozen?: boolean;
  /** Where it is while a device holds it; `data` cannot be read then. */
  readonly onDevice?: DeviceTensor;
}

/** The tensor as programs take it. */
export function tensorOf(parameter: Parameter): AnyTensor {
  return parameter.onDevice ?? float32(parameter.data, parameter.dims);
}

/** Tensors by full name, such as "model.layers.0.self_attn.q_proj.lora_A.weight". */
export type Parameters = ReadonlyMap<string, Parameter>;

interface ListedParameter {
  readonly name: string;
  readonly dims: readonly number[];
  readonly isFrozen?: boolean;
  /** An adapter's tensor at the start. */
  readonly initialize?: (weights: ModelWeights, seed: number) => Float32Array | Promise<Float32Array>;
  /** A shared tensor. */
  readonly derive?: () => Float32Array;
}

/** Names and shapes of all tensors of an adaptation, in the model's order, with the way to initialize an adapter's. */
export function listParameters(config: ModelConfig, adaptation: Adaptation): ListedParameter[] {
  const { vocabSize, hiddenSize, numHiddenLayers } = config;
  const listed: ListedParameter[] = [];
  const base = (name: string, dims: readonly number[]) => {
    if (adaptation.trains(name)) listed.push({ name, dims });
  };
  const adapter = (
    module: string,
    { parameters = [], shared = [] }: Partial<Pick<LinearAdapter, "parameters" | "shared">> = {},
    place: readonly [layer: number, module: number],
    readWeight: (weights: ModelWeights) => Promise<Float32Array>,
  ) => {
    for (const [position, { name, shape: dims, isFrozen, initialize }] of parameters.entries()) {
      listed.push({
        name: `${module}.${name}`,
        dims,
        ...(isFrozen && { isFrozen }),
        initialize: (weights, seed) =>
          initialize(createRandom(seed, ...place, position), () => readWeight(weights)),
      });
    }
    for (const { name, shape: dims, derive } of shared)
      if (listed.every((other) => other.name !== name))
        listed.push({ name, dims, isFrozen: true, derive, initialize: derive });
  };
  const rows = (table: string) => {
    const trained = adaptation.rowsOf?.(table);
    if (!trained) return;
    const { name, indices } = trained;
    const dims = [indices.length, hiddenSize];
    listed.push({
      name,
      dims,
      initialize: (weights) => lookUpRows(tableOf(weights, table), Int32Array.from(indices)),
    });
  };
  base(embeddingName, [vocabSize, hiddenSize]);
  rows(embeddingName);
  adapter(embeddingModule, adaptation.embedding, [numHiddenLayers, 0], (weights) =>
    readTable(weights.embedding),
  );
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    for (const { name, size } of listVectors(config)) base(nameInLayer(layer, name), [size]);
    const modules = listLinearModules(config);
    adapter(
      nameInLayer(layer, attentionModule),
      adaptation.attentionAdapterOf?.(layer),
      [layer, modules.length],
      () => Promise.reject(new Error("Attention as a whole has no weight.")),
    );
    for (const [index, { name, outFeatures, inFeatures }] of modules.entries()) {
      const module = nameInLayer(layer, name);
      base(`${module}.weight`, [outFeatures, inFeatures]);
      adapter(
        module,
        adaptation.adapterOf(module, outFeatures, inFeatures),
        [layer, index],
        async (weights) => readStoredWeight(await weights.block(layer), `${name}.weight`),
      );
    }
  }
  base(normName, [hiddenSize]);
  if (config.tieWordEmbeddings) return listed;
  base(headName, [vocabSize, hiddenSize]);
  rows(headName);
  adapter(
    outputModule,
    adaptation.adapterOf(outputModule, vocabSize, hiddenSize),
    [numHiddenLayers, 1],
    (weights) => readTable(weights.head),
  );
  return listed;
}

/**
 * The tensors at the start of a run: an adapter's from `seed` and `weights`, the base model's copied from
 * `weights` (which must be stored in float32).
 *
 * @example
 * const { openModel } = await import("slimtune");
 * const { config, weights } = await openModel("fixtures/embedded-model");
 * const parameters = await initializeParameters(config, freeze(1, config), weights, 0);
 * console.log([...parameters.keys()]);
 */
export async function initializeParameters(
  config: ModelConfig,
  adaptation: Adaptation,
  weights: ModelWeights,
  seed: number,
): Promise<Map<string, Parameter>> {
  const parameters = new Map<string, Parameter>();
  for (const { name, dims, isFrozen, initialize } of listParameters(config, adaptation)) {
    parameters.set(name, {
      dims,
      ...(isFrozen && { isFrozen }),
      data: await (initialize ? initialize(weights, seed) : copyBaseTensor(weights, name)),
    });
  }
  return parameters;
}

async function copyBaseTensor(weights: ModelWeights, name: string): Promise<Float32Array> {
  return Float32Array.from(await readBaseTensor(weights, name));
}

/** The base model's own tensor `name`, one of a block or the norm's only if it is kept in float32. */
export async function readBaseTensor(weights: ModelWeights, name: string): Promise<Float32Array> {
  if (name === embeddingName || name === headName) return readTable(tableOf(weights, name));
  const [, layer, rest] = /^model\.layers\.(\d+)\.(.+)$/.exec(name) ?? [];
  const tensor = name === normName ? weights.norm : (await weights.block(Number(layer)))[rest!];
  if (!(tensor?.data instanceof Float32Array))
    throw new Error(`The base tensor "${name}" is not kept in float32.`);
  return tensor.data;
}

function tableOf(weights: ModelWeights, name: string): RowMatrix {
  return name === embeddingName ? weights.embedding : weights.head;
}

/** The embedding or the output layer in float32, however it is kept. */
async function readTable(table: RowMatrix): Promise<Float32Array> {
  return asFloat32((await wholeOf(table)).data);
}

/** Those that are trained. */
export function trainedOf(parameters: Parameters): Parameters {
  return new Map([...parameters].filter(([, { isFrozen }]) => !isFrozen));
}

/** The same tensors with values of their own. */
export function copyParameters(parameters: Parameters): Map<string, Parameter> {
  return new Map(
    [...parameters].map(([name, parameter]) => [name, { ...parameter, data: parameter.data.slice() }]),
  );
}

/**
 * Zeros of the names and shapes of those that are trained.
 *
 * @example
 * const gradients = zerosLike(new Map([["a.weight", { dims: [2], data: Float32Array.of(1, 2) }]]));
 */
export function zerosLike(parameters: Parameters): Map<string, Parameter> {
  return new Map(
    [...trainedOf(parameters)].map(([name, { dims, data }]) => [
      name,
      { dims, data: new Float32Array(data.length) },
    ]),
  );
}
