/** @file An adapter's update added into the base weights. */

import {
  checkMergeable,
  embeddingModule,
  type LinearAdapter,
  outputModule,
} from "../../core/adapters/adaptation.ts";
import { type AdaptedModel, noAdapter } from "../../core/adapters/adapted-model.ts";
import { readBaseTensor } from "../../core/adapters/parameters.ts";
import type { LinearModule } from "../../core/architectures/architecture.ts";
import { embeddingName, headName, listLinearModules, nameInLayer } from "../../core/architectures/modules.ts";
import { add } from "../../core/graph/operators/elementwise.ts";
import { input, scalar, type Tensor } from "../../core/graph/tensor.ts";
import { type Storage, storedTensorNames, storedWeight } from "../../core/models/linear.ts";
import { wholeOf } from "../../core/models/matrix-rows.ts";
import { type Device, float32, type HostTensor, type Program } from "../../core/runtime/device.ts";

/** The weights of a plain model that computes what a model and its adapter do, one at a time. */
export interface MergedWeights {
  /** The weight of Hugging Face's name, in float32. */
  tensor(name: string): Promise<Float32Array>;
  release(): Promise<void>;
}

/**
 * Adds an adapter's update to the base weights as they are in memory. Of a model opened as NF4 these are the quantized
 * ones, on which the adapter was tuned. Weights that were trained themselves take the place of the base's, and a model
 * without an adapter stays as it is.
 *
 * @throws InputError if no plain model computes what the adapter does.
 */
export function mergeWeights(device: Device, { config, weights, adapter }: AdaptedModel): MergedWeights {
  const { adaptation, parameters } = adapter ?? noAdapter;
  checkMergeable(adaptation);
  const { vocabSize, hiddenSize } = config;
  const modules = new Map(listLinearModules(config).map((module) => [module.name, module]));
  const programs = new Map<string, Promise<Program>>();
  const compute = async (key: string, feeds: Record<string, HostTensor>, build: () => Tensor) => {
    const program = programs.get(key) ?? device.compile({ value: build() });
    programs.set(key, program);
    const { value } = await (await program).run(feeds);
    return value!.data as Float32Array;
  };

  /** The tensors of a module's adapter, as a program's inputs and their values. */
  const tensorsOf = (
    module: string,
    { parameters: own = [], shared = [] }: Partial<Pick<LinearAdapter, "parameters" | "shared">> = {},
  ) => {
    const inputs: Record<string, Tensor> = {};
    const feeds: Record<string, HostTensor> = {};
    const fullNames = [...own.map(({ name }) => `${module}.${name}`), ...shared.map(({ name }) => name)];
    for (const [i, { name, shape }] of [...own, ...shared].entries()) {
      inputs[name] = input(name, "float32", shape);
      feeds[name] = float32(parameters.get(fullNames[i]!)!.data, shape);
    }
    return { inputs, feeds };
  };

  /** The weight of a linear layer, kept in `stored` under the names of a weight called "weight". */
  const mergeWeight = (
    fullName: string,
    { outFeatures, inFeatures }: Pick<LinearModule, "outFeatures" | "inFeatures">,
    storage: Storage,
    stored: Record<string, HostTensor>,
  ) => {
    const adapter = adaptation.adapterOf(fullName, outFeatures, inFeatures);
    const { inputs, feeds } = tensorsOf(fullName, adapter);
    const key = `${storage} ${adapter?.signature} ${outFeatures} ${inFeatures}`;
    return compute(key, { ...stored, ...feeds }, () => {
      const weight = storedWeight("weight", outFeatures, inFeatures, storage).dense();
      return adapter ? adapter.merge(weight, inputs) : add(weight, scalar(0));
    });
  };

  const mergeLinear = async (layer: number, module: LinearModule) => {
    const { storage } = weights;
    const names = storedTensorNames(`${module.name}.weight`, storage);
    const block = await weights.block(layer);
    const stored = storedTensorNames("weight", storage).map((name, i) => [name, block[names[i]!]!]);
    return mergeWeight(nameInLayer(layer, module.name), module, storage, Object.fromEntries(stored));
  };

  const mergeBias = async (layer: number, { name, outFeatures, inFeatures }: LinearModule) => {
    const fullName = nameInLayer(layer, name);
    const adapter = adaptation.adapterOf(fullName, outFeatures, inFeatures);
    const bias = (await weights.block(layer))[`${name}.bias`]!;
    if (!adapter?.bias) return bias.data as Float32Array;
    const { inputs, feeds } = tensorsOf(fullName, adapter);
    return compute(`bias ${adapter.signature} ${outFeatures}`, { ...feeds, bias }, () =>
      adapter.bias!(input("bias", "float32", [outFeatures]), inputs),
    );
  };

  const mergeTable = async (name: string): Promise<Float32Array> => {
    const base = name === embeddingName ? weights.embedding : weights.head;
    const rows = adaptation.rowsOf?.(name);
    const values = await readBaseTensor(weights, name);
    if (rows) {
      const merged = values.slice();
      for (const [i, index] of rows.indices.entries())
        merged.set(
          parameters.get(rows.name)!.data.subarray(i * hiddenSize, (i + 1) * hiddenSize),
          index * hiddenSize,
        );
      return merged;
    }
    const { embedding } = adaptation;
    if (name === headName && adaptation.adapterOf(outputModule, vocabSize, hiddenSize))
      return mergeWeight(
        outputModule,
        { outFeatures: vocabSize, inFeatures: hiddenSize },
        base.dtype as Storage,
        { weight: await wholeOf(base) },
      );
    if (name === headName || !embedding) return values;
    const { inputs, feeds } = tensorsOf(embeddingModule, embedding);
    return compute("embedding", { ...feeds, weight: float32(values, base.dims) }, () =>
      embedding.merge(input("weight", "float32", base.dims), inputs),
    );
  };

  return {
    async tensor(name: string): Promise<Float32Array> {
      const trained = parameters.get(name);
      if (trained) return trained.data;
      if (name === embeddingName || name === headName) return mergeTable(name);
      const [, layer, local, part] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
      const module = modules.get(local!);
      if (!module) return readBaseTensor(weights, name);
      return part === "bias" ? mergeBias(Number(layer), module) : mergeLinear(Number(layer), module);
    },
    async release() {
      for (const program of programs.values()) await (await program).release();
    },
  };
}
